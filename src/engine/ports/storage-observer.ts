import type { Digest } from '#core/oci/digest.ts'

export type CollectionSubject = 'garbage' | 'packages'

/** What happens to a storage beside being read and written. */
export type StorageEvent =
  | {
      /** The bytes of a blob were not what its name says; it is out of the way, and is made again. */
      readonly kind: 'blob-quarantined'
      readonly digest: Digest
      readonly sizeBytes: number
    }
  | {
      /** A blob that a stored image needs is not there, or not whole; it is made again. */
      readonly kind: 'blob-missing'
      readonly digest: Digest
    }
  | {
      readonly kind: 'garbage-collected'
      readonly images: number
      readonly blobs: number
      readonly sizeBytes: number
      readonly durationMs: number
    }
  | {
      /** Another collector was at work; the next turn comes as planned. */
      readonly kind: 'collection-skipped'
      readonly collector: string
    }
  | {
      /** Packages in the package store of this machine, not images. */
      readonly kind: 'packages-collected'
      readonly paths: number
      readonly sizeBytes: number
    }
  | {
      readonly kind: 'collection-failed'
      /** Garbage of the storage, or packages of the Nix store. */
      readonly subject: CollectionSubject
      readonly error: unknown
    }

/** Learns what happens to a storage. Must not throw; must return at once. */
export interface StorageObserver {
  observe(event: StorageEvent): void
}
