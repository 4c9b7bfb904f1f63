import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'

import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { PushQueue, type PushEvent } from './push-queue.ts'

const names = ['a', 'b', 'c'] as const
const [a, b, c] = names.map((name) => pathOf(name)) as [StorePath, StorePath, StorePath]

function pathOf(name: string): StorePath {
  const path = parseStorePath(`/nix/store/qmgxsrbjbkmpl9rjgyv4dbrj0if9kpdv-${name}`)
  assert.ok(path)
  return path
}

interface Copy {
  readonly paths: readonly StorePath[]
  readonly signal: AbortSignal
  end(message?: string): Promise<void>
}

/** A queue whose copies end when the test says so. */
function startQueue() {
  const clock = createManualClock()
  const copies: Copy[] = []
  const events: PushEvent[] = []
  const queue = new PushQueue({
    clock,
    closeGraceMs: 1_000,
    report: (event) => events.push(event),
    copy(paths, signal) {
      const { promise, resolve } = Promise.withResolvers<string | undefined>()
      signal.addEventListener('abort', () => resolve('aborted'))
      copies.push({
        paths,
        signal,
        async end(message) {
          resolve(message)
          await setImmediate()
        },
      })
      return promise
    },
  })
  return { clock, copies, events, queue }
}

test('PushQueue copies one set at a time, and each path once', async () => {
  const { copies, events, queue } = startQueue()
  queue.push([a, a])
  queue.push([a, b])
  queue.push([b])
  assert.deepEqual(
    copies.map(({ paths }) => paths),
    [[a]],
  )
  await copies[0]!.end()
  assert.deepEqual(
    copies.map(({ paths }) => paths),
    [[a], [b]],
  )
  await copies[1]!.end()
  queue.push([a, b, c])
  await copies[2]!.end()
  assert.deepEqual(events, [
    { kind: 'pushed', paths: [a] },
    { kind: 'pushed', paths: [b] },
    { kind: 'pushed', paths: [c] },
  ])
})

test('PushQueue tries three times, later each time, and again when the path comes again', async () => {
  const { clock, copies, events, queue } = startQueue()
  queue.push([a])
  await copies[0]!.end('no route')
  clock.advance(4_999)
  assert.equal(copies.length, 1)
  clock.advance(1)
  await setImmediate()
  await copies[1]!.end('no route')
  clock.advance(60_000)
  await setImmediate()
  assert.deepEqual(events, [])
  await copies[2]!.end('no route at all')
  assert.deepEqual(events, [
    { kind: 'push-failed', paths: [a], message: 'no route at all', attempts: 3 },
  ])
  queue.push([a])
  await copies[3]!.end()
  assert.deepEqual(events.at(-1), { kind: 'pushed', paths: [a] })
})

test('PushQueue says what it cannot take', async () => {
  const { copies, events, queue } = startQueue()
  for (let index = 0; index < 102; index += 1) queue.push([pathOf(`p${index}`)])
  assert.equal(copies.length, 1)
  assert.deepEqual(events, [{ kind: 'not-pushed', paths: [pathOf('p101')] }])
})

test('close() waits for everything that was pushed, and takes no more', async () => {
  const { copies, events, queue } = startQueue()
  queue.push([a])
  queue.push([b])
  const closed = queue.close()
  queue.push([c])
  await copies[0]!.end()
  await copies[1]!.end()
  await closed
  assert.deepEqual(events, [
    { kind: 'not-pushed', paths: [c] },
    { kind: 'pushed', paths: [a] },
    { kind: 'pushed', paths: [b] },
  ])
  await startQueue().queue.close()
})

test('close() ends what goes on for too long, and says what was not copied', async () => {
  const { clock, copies, events, queue } = startQueue()
  queue.push([a])
  queue.push([b])
  const closed = queue.close()
  clock.advance(1_000)
  await closed
  assert.ok(copies[0]!.signal.aborted)
  assert.deepEqual(events, [
    { kind: 'push-failed', paths: [a], message: 'aborted', attempts: 1 },
    { kind: 'not-pushed', paths: [b] },
  ])
})

test('close() does not wait for the next attempt', async () => {
  const { clock, copies, events, queue } = startQueue()
  queue.push([a])
  await copies[0]!.end('no route')
  const closed = queue.close()
  clock.advance(1_000)
  await closed
  assert.deepEqual(events, [{ kind: 'not-pushed', paths: [a] }])
})
