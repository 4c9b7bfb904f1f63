import type { Readable } from 'node:stream'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { Digest } from '#core/oci/digest.ts'

export interface BlobStat {
  readonly sizeBytes: number
}

/** A blob as an open file, which the caller closes. */
export interface BlobFile {
  readonly sizeBytes: number
  /** Another one for every file, and for the same one after anybody has written to it. */
  readonly identity: string
  /** Whether it was old enough when it was opened for `isUnchanged` to notice every later change. */
  readonly isSettled: boolean
  /**
   * Whether it still has the times, the size and the name of when it was opened: nobody has written to
   * it, moved or removed it since. Does not wait.
   */
  isUnchanged(): boolean
  /**
   * Fills as much of the memory as there is from a position on; gives the number of bytes, 0 at the end.
   * At once, without a promise, when nothing has to be waited for.
   */
  read(into: Uint8Array, position: number): Promise<number> | number
  /**
   * Lets the kernel send bytes from a position on to the connection of that descriptor; gives how many it
   * took, 0 when it has no room. Does not wait: `undefined` when it would, and where the kernel cannot.
   */
  pass?(descriptor: number, position: number, mostBytes: number): number | undefined
  close(): Promise<void>
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

  /** The blob as a file of this machine, as it is; only where the storage has such files. */
  readonly openFile?: (digest: Digest, signal: AbortSignal) => Promise<BlobFile | undefined>

  /**
   * The blob as an open file whose bytes were compared with the digest not long ago, and have not been
   * touched since. `undefined` for every other blob: `open` compares.
   */
  readonly openSound?: (digest: Digest) => BlobFile | undefined | Promise<BlobFile | undefined>
}

/** An upload in progress; invisible until it is published. Ends with `publish` or `discard`. */
export interface BlobUpload {
  /** Has written or copied the bytes when it resolves. */
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
