import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from './system-clock.ts'

const dayMs = 24 * 60 * 60 * 1000

test('after() waits for longer than one timer of Node can', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let calls = 0
  systemClock.after(30 * dayMs, () => (calls += 1))
  for (let day = 0; day < 29; day += 1) context.mock.timers.tick(dayMs)
  assert.equal(calls, 0)
  context.mock.timers.tick(dayMs)
  context.mock.timers.tick(60 * dayMs)
  assert.equal(calls, 1)
})

test('after() can be cancelled at any time of a long wait', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let calls = 0
  const cancel = systemClock.after(30 * dayMs, () => (calls += 1))
  context.mock.timers.tick(29 * dayMs)
  cancel()
  context.mock.timers.tick(60 * dayMs)
  assert.equal(calls, 0)
})
