import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAgo, formatBytes, formatCount, formatDuration } from './quantities.ts'

function check(format: (value: number) => string, cases: readonly (readonly [number, string])[]) {
  for (const [value, expected] of cases)
    test(`${format.name}() of ${value}`, () => assert.equal(format(value), expected))
}

check(formatBytes, [
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [1_234_567, '1.2 MB'],
  [153_000_000, '153 MB'],
  [2e15, '2000 TB'],
])
check(formatDuration, [
  [-5, '0 s'],
  [59_999, '59 s'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
])
check(formatAgo, [
  [0, 'just now'],
  [30_000, '30 seconds ago'],
  [60_000, '1 minute ago'],
  [7_300_000, '2 hours ago'],
  [200_000_000, '2 days ago'],
])

test('formatCount() knows one and many', () => {
  assert.equal(formatCount(1, 'layer'), '1 layer')
  assert.equal(formatCount(0, 'layer'), '0 layers')
})
