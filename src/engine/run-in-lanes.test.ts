import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInLanes } from './run-in-lanes.ts'

const signal = new AbortController().signal

test('runInLanes() does everything, never more than so many at once', async () => {
  const done: number[] = []
  let running = 0
  let most = 0
  await runInLanes(
    Array.from({ length: 20 }, (_, index) => index),
    3,
    async (item) => {
      most = Math.max(most, (running += 1))
      await Promise.resolve()
      running -= 1
      done.push(item)
    },
    signal,
  )
  assert.deepEqual([done.length, most], [20, 3])
})

test('runInLanes() throws the first failure when nothing runs any more, and begins nothing more', async () => {
  const begun: number[] = []
  let ended = 0
  const run = runInLanes(
    [0, 1, 2, 3, 4],
    2,
    async (item, signal) => {
      begun.push(item)
      await Promise.resolve()
      if (item === 0) throw new Error('first')
      await Promise.resolve()
      assert.ok(signal.aborted)
      ended += 1
    },
    signal,
  )
  await assert.rejects(run, /first/)
  assert.deepEqual([begun, ended], [[0, 1], 1])
  await assert.rejects(
    runInLanes([1], 2, () => Promise.reject(new Error('begun')), AbortSignal.abort(new Error('x'))),
    /x/,
  )
})
