import type { ImageDocument } from '#core/assembly/image-documents.ts'
import type { BlobClaims } from './claim-blobs.ts'
import type { BlobStore } from './ports/blob-store.ts'

/** Stores a document under its digest. */
export async function publishDocument(
  { blobs, claims }: { readonly blobs: BlobStore; readonly claims: BlobClaims },
  document: ImageDocument,
  signal: AbortSignal,
): Promise<void> {
  const upload = await blobs.upload(document.mediaType, signal)
  try {
    await upload.write(document.bytes)
    await claims.claimWhenFree(document.digest, signal)
    await upload.publish(document.digest)
  } finally {
    await upload.discard()
  }
}
