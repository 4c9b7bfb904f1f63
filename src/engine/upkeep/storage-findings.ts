import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { EntryKind } from '../ports/entry-store.ts'
import type { AboutImage } from '../stored-entries.ts'

/** One thing that is wrong with a storage, with its cause: what only follows from it is no finding. */
export type StorageFinding =
  | {
      /** Bytes are missing at the end of a blob. */
      readonly kind: 'truncated-blob'
      readonly digest: Digest
      readonly sizeBytes: number
      /** Unknown when nothing refers to the blob. */
      readonly expectedBytes?: number
      /** How many stored images need it, indexes counted as well. */
      readonly images: number
    }
  | {
      /** The bytes of a blob are not what its name says. */
      readonly kind: 'corrupt-blob'
      readonly digest: Digest
      readonly sizeBytes: number
      readonly images: number
    }
  | {
      /** A stored image or layer entry needs a blob that is not there. */
      readonly kind: 'missing-blob'
      readonly digest: Digest
      readonly images: number
    }
  | {
      /** An image whose documents lead to what is not there, or is no part of an image. */
      readonly kind: 'dangling-manifest'
      /** Of the entry that leads to it; a document that no entry names has none. */
      readonly key?: CacheKey
      readonly about?: AboutImage
      readonly manifests: readonly Digest[]
      /** What is not there, has another size, or is no manifest where there should be one. */
      readonly lacks: readonly Digest[]
    }
  | {
      /** An entry that is not what an entry is. */
      readonly kind: 'unreadable-entry'
      readonly folder: EntryKind
      readonly key: CacheKey
    }
  | {
      /** An entry of a layer whose blob is not there, or has another size. */
      readonly kind: 'dangling-build'
      readonly key: CacheKey
      readonly digest: Digest
    }

export interface VerifyReport {
  readonly blobs: number
  readonly sizeBytes: number
  readonly builds: number
  readonly manifests: number
  readonly findings: readonly StorageFinding[]
  /** Keys that are no names of blobs or entries: somebody else's, and no fault. */
  readonly foreignKeys: readonly string[]
  /** What cannot be used for what was found; removed if asked for. */
  readonly damaged: {
    /** With their entries and their documents; indexes counted as well. */
    readonly images: number
    readonly builds: number
    /** Those that no entry names. */
    readonly manifests: number
  }
  readonly isRepaired: boolean
  /** Blobs that were moved out of the way. */
  readonly quarantined: number
}
