import type { Readable } from 'node:stream'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import type { StorageWatch } from '#engine/ports/storage-watch.ts'

/** `changedMs`: milliseconds since 1970 by the storage's own clock, when the bytes were written last. */
export interface ObjectInfo {
  readonly sizeBytes: number
  readonly changedMs: number
}

export interface ListedObject extends ObjectInfo {
  readonly key: string
}

/** An upload in progress; invisible until it is published. Ends with `publish` or `discard`. */
export interface ObjectUpload {
  /** Has written or copied the bytes when it resolves; waits while too much is under way. */
  write(chunk: Uint8Array): Promise<void>
  /** Makes the bytes visible under a key, all at once; what was there before is replaced. */
  publish(key: string): Promise<void>
  /** Drops the bytes. Safe after `publish`, after a failure, and twice. */
  discard(): Promise<void>
}

/**
 * Bytes by key: a directory or a bucket. Every backend is one of these, and `createStorage` makes
 * the rest of it. Absence is a value; what fails is an `OperatingError`.
 *
 * Keys are `folder/name`, as `storage-layout.ts` makes them. All calls see at once what earlier ones
 * have done, whichever process did it.
 */
export interface ObjectStore {
  stat(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>
  /** A stream over an object or a part of it, which the caller reads to its end or destroys. */
  open(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Readable | undefined>
  /** A whole object in memory; absent too when it is larger than `mostBytes`. */
  read(key: string, mostBytes: number, signal: AbortSignal): Promise<Uint8Array | undefined>

  /** Writes or replaces a small object, all at once. */
  put(key: string, bytes: Uint8Array, contentType: string, signal: AbortSignal): Promise<void>
  /** Writes a small object unless there is one; false when there is. Of many writers one gets true. */
  putFirst(
    key: string,
    bytes: Uint8Array,
    contentType: string,
    signal: AbortSignal,
  ): Promise<boolean>
  /** Makes an empty object, or renews the `changedMs` of the one that is there. */
  touch(key: string, signal: AbortSignal): Promise<void>
  upload(contentType: string, signal: AbortSignal): Promise<ObjectUpload>

  /** Removes an object, if it is there. */
  remove(key: string, signal: AbortSignal): Promise<void>
  /** Gives an object another key; false when it is not there. */
  move(from: string, to: string, signal: AbortSignal): Promise<boolean>
  /** Everything in a folder, in any order. What comes or goes meanwhile may be missing or there. */
  list(folder: string, signal: AbortSignal): AsyncIterable<ListedObject>

  /** Removes what uploads of dead processes left; gives their number. */
  sweepStaging(signal: AbortSignal): Promise<number>
  /** An address from which clients can download an object; only where they can reach the storage. */
  readonly locate?: (key: string, signal: AbortSignal) => Promise<URL>
  /** An object as a file of this machine; only where it is one, and the file system tells of changes. */
  readonly openFile?: (key: string, signal: AbortSignal) => Promise<BlobFile | undefined>
  /** Tells whether anything in `layers/` or `manifests/` came or went; only where that is cheap. */
  readonly watch?: StorageWatch
  /** Drops this process's uploads in progress. */
  close(): Promise<void>
}
