import { systemClock } from '#adapters/time/system-clock.ts'
import { createClaims, type BlobClaims, type ClaimOptions } from '#engine/claim-blobs.ts'
import type { BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import type { StorageUpkeep } from '#engine/ports/storage-upkeep.ts'

/** As much of a storage as the flow uses; tests tamper with it. */
export interface TestedStorage {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly upkeep: Pick<StorageUpkeep, 'recordUse' | 'notices'>
}

export interface StorageTools {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly claims: BlobClaims
  readonly storageObserver: StorageObserver
}

/** What the flow needs of a storage, with nobody who watches it. */
export function storageTools(
  { blobs, entries, upkeep }: TestedStorage,
  options: ClaimOptions = { nowMs: Date.now, clock: systemClock },
): StorageTools {
  return {
    blobs,
    entries,
    claims: createClaims(upkeep, options),
    storageObserver: { observe: () => {} },
  }
}
