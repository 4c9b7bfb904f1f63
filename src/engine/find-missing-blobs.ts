import type { Descriptor } from '#core/oci/descriptor.ts'
import type { Digest } from '#core/oci/digest.ts'
import type { BlobReader } from './ports/blob-store.ts'

/** Stored bytes as somebody else needs them. */
export type NeededBlob = Pick<Descriptor, 'digest' | 'size'>

// An image has up to a hundred layers, and an index several images.
const statsAtOnce = 16

/** Those of the blobs that are not there, or not whole. */
export async function findMissingBlobs(
  blobs: BlobReader,
  needed: readonly NeededBlob[],
  signal: AbortSignal,
): Promise<readonly Digest[]> {
  const missing: Digest[] = []
  // Not in lanes, whose signals cost more than looking into a directory: this is done for every pull.
  for (let start = 0; start < needed.length; start += statsAtOnce) {
    const some = needed.slice(start, start + statsAtOnce)
    const stats = await Promise.all(some.map(({ digest }) => blobs.stat(digest, signal)))
    for (const [index, { digest, size }] of some.entries())
      if (stats[index]?.sizeBytes !== size) missing.push(digest)
  }
  return missing
}
