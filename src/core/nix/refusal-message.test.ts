import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatRefusal, type RefusalReason } from './refusal-message.ts'

const messages: readonly (readonly [RefusalReason, readonly string[], string])[] = [
  ['unfree', ['unfree', 'bsd3'], 'NIXERY_ALLOW_UNFREE is not on (unfree, bsd3)'],
  ['unfree', [], 'NIXERY_ALLOW_UNFREE is not on'],
  ['broken', [], 'NIXERY_ALLOW_BROKEN is not on'],
  [
    'insecure',
    ['openssl-1.1.1w', 'CVE-1', 'CVE-2'],
    'NIXERY_ALLOW_INSECURE does not list openssl-1.1.1w (CVE-1, CVE-2)',
  ],
  ['unsupported-system', ['x86_64-darwin', 'i686-linux'], 'it is for x86_64-darwin, i686-linux'],
  ['unsupported-system', [], 'its package set does not support it there'],
]

for (const [reason, details, message] of messages) {
  test(`formatRefusal() of ${reason} with ${details.length} details says what forbids it`, () => {
    assert.equal(formatRefusal(reason, details), message)
  })
}

test('formatRefusal() gives one line, whatever a package set notes', () => {
  assert.equal(
    formatRefusal('unfree', ['a\nb', 'x'.repeat(600)]).length,
    'NIXERY_ALLOW_UNFREE'.length + 481,
  )
  assert.ok(!formatRefusal('insecure', ['a\nb']).includes('\n'))
})
