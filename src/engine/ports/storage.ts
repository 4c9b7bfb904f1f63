import type { Digest } from '#core/oci/digest.ts'
import type { BlobStore } from './blob-store.ts'
import type { EntryStore } from './entry-store.ts'
import type { StorageUpkeep } from './storage-upkeep.ts'
import type { StorageWatch } from './storage-watch.ts'

/** Gives addresses from which clients can download blobs without this service. */
export interface BlobLocator {
  /** Valid for a while, for GET with or without Range. The blob need not be there. */
  locate(digest: Digest, signal: AbortSignal): Promise<URL>
}

/** One storage with all that can be done with it. */
export interface Storage {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly upkeep: StorageUpkeep
  /** Only where clients can reach the storage themselves. */
  readonly locator?: BlobLocator
  /** Only where it is cheap to know that nothing changed. */
  readonly watch?: StorageWatch
  /** Drops this process's uploads in progress. */
  close(): Promise<void>
}
