import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { LookedImage, StorageLook } from './look-at-storage.ts'
import type { StoredBlob } from '../ports/storage-upkeep.ts'
import type { AboutImage } from '../stored-entries.ts'

/** An image that was removed. */
export interface RemovedImage {
  readonly key: CacheKey
  /** Unknown of images that older versions made. */
  readonly about?: AboutImage
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
  /** Uploads that dead processes had left; a dry run does not look for them. */
  readonly staged: number
  /** What would have gone, had it not been used or written within the grace. */
  readonly fresh: { readonly images: number; readonly blobs: number }
  readonly left: { readonly images: number; readonly blobs: number; readonly sizeBytes: number }
  readonly durationMs: number
}

/** Of what is not there, 0. */
export function sizesIn({ blobs }: StorageLook): (digest: Digest) => number {
  return (digest) => blobs.get(digest)?.sizeBytes ?? 0
}

export function describeRemoved(
  { key, about, usedMs, madeMs, digests }: LookedImage,
  look: StorageLook,
): RemovedImage {
  const sizeBytes = sumOf([...new Set(digests)].map(sizesIn(look)))
  return { key, ...(about && { about }), usedMs, madeMs, sizeBytes }
}

/** What became of the blobs: those that went, and those that stay beside the images that are kept. */
export function countBlobs(
  removed: readonly StoredBlob[],
  left: readonly StoredBlob[],
  kept: { readonly images: readonly LookedImage[]; readonly spared: number },
): Pick<Collected, 'blobs' | 'sizeBytes' | 'fresh' | 'left'> {
  const needed = new Set(kept.images.flatMap(({ digests }) => digests))
  return {
    blobs: removed.length,
    sizeBytes: sumOf(removed.map(({ sizeBytes }) => sizeBytes)),
    fresh: {
      images: kept.spared,
      // Nothing else is left without an image that needs it.
      blobs: left.filter(({ digest }) => !needed.has(digest)).length,
    },
    left: {
      images: kept.images.length,
      blobs: left.length,
      sizeBytes: sumOf(left.map(({ sizeBytes }) => sizeBytes)),
    },
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}
