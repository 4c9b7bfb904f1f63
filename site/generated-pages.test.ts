import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatConfiguration } from './configuration-tables.ts'
import { generatedPages, renewPage } from './generated-pages.ts'

for (const [name, formats] of generatedPages) {
  test(`docs/${name} says what the code does`, () => {
    const page = readFileSync(join(import.meta.dirname, '..', 'docs', name), 'utf8')
    assert.equal(page, renewPage(page, formats), 'write it anew with: npm run generate')
  })
}

test('formatConfiguration() gives names, what they do, what is allowed and defaults', () => {
  const rows = formatConfiguration().split('\n')
  assert.ok(rows.includes('## The service'))
  assert.ok(
    rows.includes(
      '| `PORT` | Port of the registry. | a port from 0 to 65535 (0 takes a free one) | `8080` |',
    ),
  )
  assert.ok(
    rows.includes(
      '| `NIXERY_ALLOW_UNFREE` | Serve packages with an unfree licence. | on or off | `off` |',
    ),
  )
})

test('renewPage() writes each part anew, and refuses a page whose marks do not fit', () => {
  const part = (text: string) =>
    `<!-- begin of what npm run generate writes -->\n${text}\n\n<!-- end of what npm run generate writes -->\n`
  const formats = [() => 'first', () => 'second']
  assert.equal(
    renewPage(`before\n${part('old')}between\n${part('older')}after\n`, formats),
    `before\n${part('first')}between\n${part('second')}after\n`,
  )
  assert.throws(() => renewPage(part('old'), formats), /1 times/)
  assert.throws(() => renewPage(part('old').replace(/<!-- end.*\n/, ''), [() => '']), /followed by/)
})
