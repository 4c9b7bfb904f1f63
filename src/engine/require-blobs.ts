import type { BlobClaims } from './claim-blobs.ts'
import { findMissingBlobs, type NeededBlob } from './find-missing-blobs.ts'
import { OperatingError } from './operating-error.ts'
import type { BlobReader } from './ports/blob-store.ts'

/**
 * Claims everything that a manifest refers to before it is handed out. Only a build that took longer
 * than a collector's grace finds something gone: the next one makes that again.
 */
export async function requireBlobs(
  { blobs, claims }: { readonly blobs: BlobReader; readonly claims: BlobClaims },
  needed: readonly NeededBlob[],
  signal: AbortSignal,
): Promise<void> {
  const doomed = await claims.claim(
    needed.map(({ digest }) => digest),
    signal,
  )
  const missing = [...doomed, ...(await findMissingBlobs(blobs, needed, signal))]
  if (missing.length === 0) return
  throw new OperatingError(
    'STORAGE_BUSY',
    `${missing[0]} was removed from the storage while an image was made of it`,
  )
}
