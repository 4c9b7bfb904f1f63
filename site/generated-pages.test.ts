import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatConfiguration } from './configuration-tables.ts'
import { generatedPages, renewPage } from './generated-pages.ts'

for (const [name, format] of generatedPages) {
  test(`docs/${name} says what the code does`, () => {
    const page = readFileSync(join(import.meta.dirname, '..', 'docs', name), 'utf8')
    assert.equal(page, renewPage(page, format), 'write it anew with: npm run generate')
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
