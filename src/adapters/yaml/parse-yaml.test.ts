import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { parseYaml } from './parse-yaml.ts'

test('parseYaml() warns nobody: the log has lines of its own form', async (context) => {
  const warnings: Error[] = []
  const keep = (warning: Error) => warnings.push(warning)
  process.on('warning', keep)
  context.after(() => process.off('warning', keep))
  const parsed = parseYaml(z.strictObject({ a: z.string() }), 'a: !unknown b')
  assert.deepEqual(parsed, { kind: 'value', value: { a: 'b' } })
  await setImmediate()
  assert.deepEqual(warnings, [])
})
