import type { collectGarbage } from './collect-garbage.ts'
import type { Clock } from '../ports/clock.ts'
import type { CollectionSubject, StorageEvent, StorageObserver } from '../ports/storage-observer.ts'

export interface CollectionSchedule {
  readonly subject: CollectionSubject
  /** From the end of one collection to the beginning of the next. */
  readonly everyMs: number
  readonly collect: (signal: AbortSignal) => Promise<StorageEvent>
  readonly clock: Clock
  readonly observer: StorageObserver
  /** From 0 to below 1. */
  readonly random: () => number
}

/**
 * Collects garbage over and over, never twice at once, until it is closed, which ends a collection
 * in progress. The first one comes after a random part of the interval: instances that were started
 * together do not meet at their bucket, and one that is restarted more often than it collects gets
 * its turn all the same. A failure is told, and the next turn comes as planned.
 */
export function scheduleCollections({
  subject,
  everyMs,
  collect,
  clock,
  observer,
  random,
}: CollectionSchedule): { close(): Promise<void> } {
  const ending = new AbortController()
  let running: Promise<void> = Promise.resolve()
  let stopTimer = () => {}

  const collectOnce = async (): Promise<void> => {
    try {
      observer.observe(await collect(ending.signal))
    } catch (error) {
      if (!ending.signal.aborted) observer.observe({ kind: 'collection-failed', subject, error })
    }
    planNext(everyMs)
  }
  const planNext = (delayMs: number): void => {
    if (ending.signal.aborted) return
    stopTimer = clock.after(delayMs, () => {
      running = collectOnce()
    })
  }
  planNext(everyMs * random())
  return {
    async close() {
      ending.abort(new DOMException('the service ends', 'AbortError'))
      stopTimer()
      await running
    },
  }
}

export type CollectionOutcome = Awaited<ReturnType<typeof collectGarbage>>

/** What those who watch a storage hear of a collection. */
export function collectionEvent(outcome: CollectionOutcome): StorageEvent {
  if (outcome.kind === 'busy') return { kind: 'collection-skipped', collector: outcome.collector }
  const { images, blobs, sizeBytes, durationMs } = outcome
  return { kind: 'garbage-collected', images: images.length, blobs, sizeBytes, durationMs }
}
