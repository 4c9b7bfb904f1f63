import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { createTurns } from './run-in-turn.ts'

const { signal } = new AbortController()

/** Work that a test ends, and that notes when it runs. */
function holdWork() {
  const running: string[] = []
  const holds = new Map<string, PromiseWithResolvers<string>>()
  const work = (name: string) => {
    const hold = Promise.withResolvers<string>()
    holds.set(name, hold)
    return async () => {
      running.push(name)
      return hold.promise
    }
  }
  return { running, work, holds }
}

test('createTurns() runs one at a time in the order of arrival, also after a failure', async () => {
  const { running, work, holds } = holdWork()
  const inTurn = createTurns(2)
  const [first, second, third] = ['a', 'b', 'c'].map((name) => inTurn(work(name), signal))
  await setImmediate()
  assert.deepEqual(running, ['a'])
  holds.get('a')!.reject(new Error('no'))
  await assert.rejects(first!, /no/)
  await setImmediate()
  assert.deepEqual(running, ['a', 'b'])
  holds.get('b')!.resolve('done')
  assert.equal(await second, 'done')
  holds.get('c')!.resolve('too')
  assert.equal(await third, 'too')
})

test('createTurns() lets nobody pass when somebody leaves the queue', async () => {
  const { running, work, holds } = holdWork()
  const inTurn = createTurns(2)
  const first = inTurn(work('a'), signal)
  const leaving = new AbortController()
  const second = inTurn(work('b'), leaving.signal)
  const third = inTurn(work('c'), signal)
  await assert.rejects(inTurn(work('d'), signal), { code: 'OVERLOADED' })
  leaving.abort(new Error('gone'))
  await assert.rejects(second, /gone/)
  await setImmediate()
  assert.deepEqual(running, ['a'])
  for (const name of ['a', 'c']) holds.get(name)!.resolve(name)
  assert.deepEqual(await Promise.all([first, third]), ['a', 'c'])
  assert.deepEqual(running, ['a', 'c'])
})
