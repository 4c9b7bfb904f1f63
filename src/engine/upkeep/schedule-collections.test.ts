import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { StorageEvent } from '../ports/storage-observer.ts'
import { collectionEvent, scheduleCollections } from './schedule-collections.ts'

const everyMs = 1_000
const collected = { kind: 'collection-skipped', collector: 'c' } as const

/** A schedule whose collections end when they are told to. */
function start(random = 0.5) {
  const clock = createManualClock()
  const events: StorageEvent[] = []
  const running: Array<PromiseWithResolvers<StorageEvent> & { readonly signal: AbortSignal }> = []
  const schedule = scheduleCollections({
    subject: 'garbage',
    everyMs,
    clock,
    random: () => random,
    observer: { observe: (event) => void events.push(event) },
    collect(signal) {
      const run = { ...Promise.withResolvers<StorageEvent>(), signal }
      running.push(run)
      return run.promise
    },
  })
  /** What awaits the end of a collection has gone on. */
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { clock, events, running, schedule, settle }
}

suite('scheduleCollections()', () => {
  test('waits for a part of the interval, then for all of it after each collection', async () => {
    const { clock, events, running, settle } = start(0.5)
    clock.advance(499)
    assert.equal(running.length, 0)
    clock.advance(1)
    assert.equal(running.length, 1)
    clock.advance(10 * everyMs)
    assert.equal(running.length, 1, 'never two at once')
    running[0]!.resolve(collected)
    await settle()
    assert.deepEqual(events, [collected])
    clock.advance(everyMs - 1)
    assert.equal(running.length, 1)
    clock.advance(1)
    assert.equal(running.length, 2)
  })

  test('tells of a failure, and collects again', async () => {
    const { clock, events, running, settle } = start(0)
    clock.advance(0)
    const error = new Error('the bucket is gone')
    running[0]!.reject(error)
    await settle()
    assert.deepEqual(events, [{ kind: 'collection-failed', subject: 'garbage', error }])
    clock.advance(everyMs)
    assert.equal(running.length, 2)
  })

  test('ends a collection in progress when it is closed, and waits for it', async () => {
    const { clock, events, running, schedule, settle } = start(0)
    clock.advance(0)
    let closed = false
    const closing = schedule.close().then(() => (closed = true))
    const [run] = running
    assert.ok(run?.signal.aborted)
    await settle()
    assert.equal(closed, false)
    run.reject(run.signal.reason)
    await closing
    clock.advance(10 * everyMs)
    assert.deepEqual([events, running.length], [[], 1], 'no failure, and no next one')
  })

  test('begins nothing after it was closed', async () => {
    const { clock, running, schedule } = start(0.5)
    await schedule.close()
    clock.advance(10 * everyMs)
    assert.equal(running.length, 0)
  })
})

test('collectionEvent() tells what a collection did, or that it gave way', () => {
  assert.deepEqual(collectionEvent({ kind: 'busy', collector: 'gc-1', untilMs: 5 }), {
    kind: 'collection-skipped',
    collector: 'gc-1',
  })
  const none = { images: 0, blobs: 0 }
  const outcome = {
    kind: 'collected',
    images: [],
    builds: 1,
    blobs: 2,
    sizeBytes: 3,
    unreadable: 0,
    quarantined: 0,
    staged: 0,
    fresh: none,
    left: { ...none, sizeBytes: 0 },
    durationMs: 4,
  } as const
  assert.deepEqual(collectionEvent(outcome), {
    kind: 'garbage-collected',
    images: 0,
    blobs: 2,
    sizeBytes: 3,
    durationMs: 4,
  })
})
