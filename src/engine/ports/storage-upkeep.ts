import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { EntryKind } from './entry-store.ts'

/** Times are milliseconds since 1970 by the storage's own clock. */
export interface StoredBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly changedMs: number
}

export interface StoredEntry {
  readonly key: CacheKey
  readonly changedMs: number
}

export interface BlobUse {
  readonly digest: Digest
  readonly usedMs: number
}

/**
 * What a collector is about to remove. It is posted before the collector looks at uses for the last
 * time, and counts until `untilMs` at the longest: a collector that died is not waited for.
 */
export interface CollectorNotice {
  readonly digests: readonly Digest[]
  readonly untilMs: number
}

/**
 * What those who look after a storage need beside reading and writing it: the collector, the
 * verifier, and builds that say what they rely on. Every method throws an `OperatingError`.
 */
export interface StorageUpkeep {
  blobs(signal: AbortSignal): AsyncIterable<StoredBlob>
  entries(kind: EntryKind, signal: AbortSignal): AsyncIterable<StoredEntry>
  /** What lies between blobs and entries under keys that no storage makes: `layers/notes.txt`. */
  foreignKeys(signal: AbortSignal): AsyncIterable<string>

  /** Says that a blob is relied on from now. Cheap; the blob need not be there. */
  recordUse(digest: Digest, signal: AbortSignal): Promise<void>
  lastUse(digest: Digest, signal: AbortSignal): Promise<number | undefined>
  uses(signal: AbortSignal): AsyncIterable<BlobUse>
  forgetUse(digest: Digest, signal: AbortSignal): Promise<void>

  /** Posts or replaces the notice of one collector. */
  postNotice(collector: string, notice: CollectorNotice, signal: AbortSignal): Promise<void>
  /** Notices by collector, those that have run out among them. */
  notices(signal: AbortSignal): Promise<ReadonlyMap<string, CollectorNotice>>
  withdrawNotice(collector: string, signal: AbortSignal): Promise<void>

  removeBlob(digest: Digest, signal: AbortSignal): Promise<void>
  /** Moves a blob whose bytes are not what its name says out of the way; false when it is not there. */
  quarantineBlob(digest: Digest, signal: AbortSignal): Promise<boolean>
  quarantined(signal: AbortSignal): AsyncIterable<StoredBlob>
  removeQuarantined(digest: Digest, signal: AbortSignal): Promise<void>

  /** Removes what uploads of dead processes left; gives their number. */
  sweepStaging(signal: AbortSignal): Promise<number>
  /** The storage's clock, which no two machines have to agree on with theirs. */
  nowMs(signal: AbortSignal): Promise<number>
}
