import type { Descriptor } from '#core/oci/descriptor.ts'
import type { Digest } from '#core/oci/digest.ts'
import type { BlobReader } from './ports/blob-store.ts'
import { runInLanes } from './run-in-lanes.ts'

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
  await runInLanes(
    needed,
    statsAtOnce,
    async ({ digest, size }) => {
      const stat = await blobs.stat(digest, signal)
      if (stat?.sizeBytes !== size) missing.push(digest)
    },
    signal,
  )
  return missing
}
