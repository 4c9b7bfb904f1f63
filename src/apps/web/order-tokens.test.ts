import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderTokens } from './order-tokens.ts'

test('orderTokens make tokens of 128 bits, known by their digests alone', () => {
  const [first, second] = [orderTokens.make(), orderTokens.make()]
  assert.match(first.token, /^[\w-]{22}$/)
  assert.notEqual(first.token, second.token)
  assert.ok(!first.digest.includes(first.token))
  assert.ok(orderTokens.matches(first.token, first.digest))
  for (const token of [second.token, '', first.digest, first.token.slice(1)])
    assert.ok(!orderTokens.matches(token, first.digest), token)
})
