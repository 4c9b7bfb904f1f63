import { createHash } from 'node:crypto'
import { pipeline, Transform, type Readable } from 'node:stream'
import { digestFromHash, type Digest } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'

/** What has come out of a stream that ended properly. */
export interface ReadBytes {
  readonly digest: Digest
  readonly sizeBytes: number
}

/**
 * The bytes of `source`, hashed on their way. The last chunk is held back until `approve` has seen
 * the digest of all: when it rejects, the stream fails with its error, and nobody who counts bytes
 * takes what came before for the whole. A source that fails or is left is never judged.
 */
export function verifiedStream(
  source: AsyncIterable<Uint8Array> | Readable,
  approve: (read: ReadBytes) => Promise<void>,
): Readable {
  const hash = createHash('sha256')
  let sizeBytes = 0
  let held: Uint8Array | undefined
  return through(
    source,
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        hash.update(chunk)
        sizeBytes += chunk.length
        const earlier = held
        held = chunk
        done(null, earlier)
      },
      async flush(done) {
        try {
          await approve({ digest: digestFromHash(hash), sizeBytes })
        } catch (error) {
          done(error as Error)
          return
        }
        done(null, held)
      },
    }),
  )
}

/** The bytes of `source`, which are that many: a part of a blob, whose digest nobody knows. */
export function measuredStream(
  source: AsyncIterable<Uint8Array> | Readable,
  what: string,
  sizeBytes: number,
): Readable {
  let restBytes = sizeBytes
  const wrong = (found: string) =>
    new OperatingError('STORAGE_BUSY', `${what} was to give ${sizeBytes} bytes and gave ${found}`)
  return through(
    source,
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        restBytes -= chunk.length
        if (restBytes < 0) done(wrong('more'))
        else done(null, chunk)
      },
      flush(done) {
        done(restBytes === 0 ? null : wrong(`${sizeBytes - restBytes}`))
      },
    }),
  )
}

/** Whichever of the two ends or fails takes the other one with it. */
export function through(
  source: AsyncIterable<Uint8Array> | Readable,
  transform: Transform,
): Readable {
  // The reader of the last stream learns of errors from that one.
  return pipeline(source, transform, () => undefined)
}
