import { systemClock } from '#adapters/time/system-clock.ts'
import { createClaims, type BlobClaims, type ClaimOptions } from '#engine/claim-blobs.ts'
import type { BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import type { StorageUpkeep } from '#engine/ports/storage-upkeep.ts'
import type { StorageWatch } from '#engine/ports/storage-watch.ts'
import { createRecentManifests, type RecentManifests } from '#engine/recent-manifests.ts'

/** As much of a storage as the flow uses; tests tamper with it. */
export interface TestedStorage {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly upkeep: Pick<StorageUpkeep, 'recordUse' | 'notices'>
  readonly watch?: StorageWatch
}

export interface StorageTools {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly claims: BlobClaims
  readonly storageObserver: StorageObserver
  readonly recent: RecentManifests | undefined
}

/** What the flow needs of a storage, with nobody who watches it. */
export function storageTools(
  { blobs, entries, upkeep, watch }: TestedStorage,
  options: ClaimOptions = { nowMs: Date.now, clock: systemClock },
): StorageTools {
  const claims = createClaims(upkeep, options)
  return {
    blobs,
    entries,
    claims,
    recent: watch && createRecentManifests({ watch, claims, nowMs: options.nowMs }),
    storageObserver: { observe: () => {} },
  }
}
