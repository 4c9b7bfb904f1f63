import type { ImageDocument } from '#core/assembly/image-documents.ts'
import type { BlobStore } from './ports/blob-store.ts'

/** Stores a document under its digest. */
export async function publishDocument(
  blobs: BlobStore,
  document: ImageDocument,
  signal: AbortSignal,
): Promise<void> {
  const upload = await blobs.upload(document.mediaType, signal)
  try {
    await upload.write(document.bytes)
    await upload.publish(document.digest)
  } finally {
    await upload.discard()
  }
}
