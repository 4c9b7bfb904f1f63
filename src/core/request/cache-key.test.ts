import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cacheKeyOf, formatCanonicalJson, type CanonicalValue } from './cache-key.ts'

test('formatCanonicalJson() sorts members and keeps lists', () => {
  assert.equal(
    formatCanonicalJson({ b: [2, 1], a: { d: null, c: 'x' } }),
    '{"a":{"c":"x","d":null},"b":[2,1]}',
  )
})

test('formatCanonicalJson() is JSON of the same value', () => {
  const { value } = fc.letrec<{ value: CanonicalValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
        tie('value'),
      ),
    ),
  }))
  fc.assert(
    fc.property(value, (sample) =>
      assert.deepEqual(JSON.parse(formatCanonicalJson(sample)), JSON.parse(JSON.stringify(sample))),
    ),
  )
})

test('cacheKeyOf() gives one key per value', () => {
  assert.equal(cacheKeyOf({ a: 1, b: 2 }), cacheKeyOf({ b: 2, a: 1 }))
  assert.notEqual(cacheKeyOf({ a: 1 }), cacheKeyOf({ a: '1' }))
  assert.match(cacheKeyOf([]), /^[0-9a-f]{64}$/)
})
