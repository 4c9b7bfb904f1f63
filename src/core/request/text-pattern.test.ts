import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { matchesPattern } from './text-pattern.ts'

test('matchesPattern() agrees with a regular expression', () => {
  const text = (letters: readonly string[]) =>
    fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 })
  fc.assert(
    fc.property(text(['a', 'b', '*']), text(['a', 'b']), (pattern, name) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name)
      assert.equal(matchesPattern(pattern, name), expected)
    }),
  )
})
