import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { renewConfigurationPage } from './configuration-table.ts'

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'configuration.md'), 'utf8')

test('docs/configuration.md lists every variable as the schema does', () => {
  assert.equal(page, renewConfigurationPage(page), 'write it anew with: npm run generate')
})

test('renewConfigurationPage() gives names, what they do, what is allowed and defaults', () => {
  const rows = renewConfigurationPage(page).split('\n')
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
