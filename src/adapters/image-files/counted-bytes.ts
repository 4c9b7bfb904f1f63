import { Transform } from 'node:stream'
import type { Descriptor } from '#core/oci/descriptor.ts'

/** Says how many bytes of some blobs are done. */
export interface CountedBytes {
  add(bytes: number): void
  /** Counts what passes. */
  through(): Transform
}

export function countBytes(
  blobs: readonly Descriptor[],
  onProgress: (doneBytes: number, totalBytes: number) => void,
): CountedBytes {
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0)
  let doneBytes = 0
  const add = (bytes: number) => {
    doneBytes += bytes
    onProgress(doneBytes, totalBytes)
  }
  return {
    add,
    through: () =>
      new Transform({
        transform(chunk: Uint8Array, _encoding, callback) {
          add(chunk.length)
          callback(null, chunk)
        },
      }),
  }
}
