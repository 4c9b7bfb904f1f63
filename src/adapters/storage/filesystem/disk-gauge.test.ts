import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskGauge } from './disk-gauge.ts'

test('DiskGauge trusts in memory only after a look', () => {
  const gauge = new DiskGauge()
  assert.equal(gauge.isResting, false)
  // As if the look began just now, or later than the note: it took no time.
  gauge.note(Number.POSITIVE_INFINITY)
  assert.equal(gauge.isResting, true)
})

test('DiskGauge distrusts after a look that took long, whatever the kernel counts', () => {
  const gauge = new DiskGauge()
  gauge.note(Number.POSITIVE_INFINITY)
  gauge.note(performance.now() - 20)
  assert.equal(gauge.isResting, false)
  gauge.note(Number.POSITIVE_INFINITY)
  assert.equal(gauge.isResting, true)
})
