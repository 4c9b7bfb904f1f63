import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outage } from './outage.ts'

test('Outage lasts a minute, and ends when the clock is set back', () => {
  let ms = 1e12
  const outage = new Outage('copies are not kept', () => ms)
  assert.ok(!outage.isOn)
  outage.begin(new Error('the disk is full'))
  assert.ok(outage.isOn)
  ms += 59_999
  assert.ok(outage.isOn)
  ms += 1
  assert.ok(!outage.isOn)
  outage.begin(new Error('the disk is full'))
  ms -= 3_600_000
  assert.ok(!outage.isOn)
})
