import type { Readable } from 'node:stream'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { Digest } from '#core/oci/digest.ts'

export interface BlobStat {
  readonly sizeBytes: number
}

/** Stored bytes by digest: layers and documents alike. Absence is a value, `undefined`. */
export interface BlobReader {
  stat(digest: Digest, signal: AbortSignal): Promise<BlobStat | undefined>

  /**
   * A stream over the blob or a part of it, which the caller reads to its end or destroys. The
   * range must lie within the blob.
   */
  open(
    digest: Digest,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Readable | undefined>

  /**
   * A whole document, for callers that need it in memory; its digest has been checked. A document
   * whose bytes are not what its name says is absent, as if never written.
   */
  readDocument(digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined>
}

/** An upload in progress; invisible until it is published. Ends with `publish` or `discard`. */
export interface BlobUpload {
  write(chunk: Uint8Array): Promise<void>
  /** Makes the bytes visible under their digest, all at once, whether or not they are there. */
  publish(digest: Digest): Promise<void>
  /** Drops the bytes. Safe after `publish` and after a failure. */
  discard(): Promise<void>
}

/** Every method throws an `OperatingError` (`NO_SPACE`, `NO_PERMISSION`, `STORAGE_FAILED`). */
export interface BlobWriter {
  /** `mediaType` is what a bucket says of the bytes to those who download from it. */
  upload(mediaType: string, signal: AbortSignal): Promise<BlobUpload>
}

export type BlobStore = BlobReader & BlobWriter

// Registries and containerd refuse manifests over 4 MiB; a config is far smaller.
export const maxDocumentBytes = 4 * 1024 * 1024
