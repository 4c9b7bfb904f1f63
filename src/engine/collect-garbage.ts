import type { RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { Storage } from './ports/storage.ts'

export type CollectableStorage = Pick<Storage, 'blobs' | 'entries' | 'upkeep'>

/** Progress of a collection, for people who wait for it. */
export interface CollectionEvent {
  readonly kind: 'looking' | 'removing'
  readonly done: number
  readonly total: number
}

export interface CollectionOptions {
  /** Reports what would be removed, and removes nothing. */
  readonly dryRun: boolean
  /** Names this collector in its notice: letters, digits and dashes. */
  readonly collector: string
  observe(event: CollectionEvent): void
  /** Milliseconds of this machine's clock, to measure how long things take. */
  readonly nowMs: () => number
}

/** An image that was removed. Entries have no names: the key is all that is known of its request. */
export interface RemovedImage {
  readonly key: CacheKey
  readonly usedMs: number
  readonly madeMs: number
  /** Of all its blobs, those among them that other images share. */
  readonly sizeBytes: number
}

export interface Collected {
  readonly kind: 'collected'
  /** Least recently used first. */
  readonly images: readonly RemovedImage[]
  /** Entries of layers that were removed. */
  readonly builds: number
  readonly blobs: number
  readonly sizeBytes: number
  /** Entries that could not be read. */
  readonly unreadable: number
  /** Damaged blobs that had been put out of the way long ago. */
  readonly quarantined: number
  /** Uploads that dead processes had left. */
  readonly staged: number
  /** What would have gone, had it not been used or written within the grace. */
  readonly fresh: { readonly images: number; readonly blobs: number }
  readonly left: { readonly images: number; readonly blobs: number; readonly sizeBytes: number }
  readonly durationMs: number
}

/** Another collector works on the storage, or died doing so: it is left alone until then. */
export interface CollectorBusy {
  readonly kind: 'busy'
  readonly collector: string
  readonly untilMs: number
}

/** Removes images that the policy lets go, and everything that no image needs. */
export async function collectGarbage(
  storage: CollectableStorage,
  policy: RetentionPolicy,
  options: CollectionOptions,
  signal: AbortSignal,
): Promise<Collected | CollectorBusy> {
  void [storage, policy, options]
  signal.throwIfAborted()
  throw new Error('not there yet')
}
