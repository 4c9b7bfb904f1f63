import type { ObjectStore } from '../object-store.ts'
import { OpenUploads } from '../spool/open-uploads.ts'
import type { RetryTools } from '../spool/retry.ts'
import type { Spool } from '../spool/spool.ts'
import { spooledUpload } from '../spool/spooled-upload.ts'
import { isBrokenConnection } from '../network-failure.ts'
import { probeWithin } from '../probe-within.ts'
import { storageKeys } from '../storage-layout.ts'
import { watchBody } from '../watch-body.ts'
import { gcsAddresses, requireAddresses, type GcsAddressOptions } from './gcs-addresses.ts'
import { gcsBucket } from './gcs-bucket.ts'
import { createGcsCalls } from './gcs-calls.ts'
import { connectGcs, type GcsConnectionOptions } from './gcs-connection.ts'
import { gcsParts } from './gcs-parts.ts'
import { gcsError } from './gcs-error.ts'
import { collectBytes } from './gcs-request.ts'
import { createGcsTransfer } from './gcs-transfer.ts'
import type { GcsObjectSpec } from './object-resource.ts'
import { probeObjects } from './probe-objects.ts'
import { bodyOf } from './upload-body.ts'

export interface GcsOptions extends GcsConnectionOptions, GcsAddressOptions {
  /** Where uploads keep their bytes until the bucket has them. */
  readonly spool: Spool
  /** Larger blobs are sent in parts of this size. */
  readonly partBytes?: number | undefined
  readonly retry?: RetryTools | undefined
  /** Of one try of a call that carries little, and how long a server may be silent. */
  readonly timeoutMs?: number | undefined
}

// Longer than Google takes to begin an answer, or to go on with one.
const defaultIdleTimeoutMs = 30_000

// Longer than any build runs, and its uploads with it.
const mostUploadMs = 24 * 60 * 60 * 1000

/**
 * Objects in a bucket of Google Cloud Storage. It has been written, read, listed and cleaned once before
 * this resolves, so that a wrong name or a missing permission ends the start and not a pull.
 *
 * Small objects and everything about objects is one request each. Blobs go through the spool:
 * `gcs-parts.ts`.
 */
export async function openGcsObjects(options: GcsOptions): Promise<ObjectStore> {
  const connection = await connectGcs(options)
  const calls = createGcsCalls(options)
  const idleTimeoutMs = options.timeoutMs ?? defaultIdleTimeoutMs
  const transfer = createGcsTransfer(connection, idleTimeoutMs)
  const bucket = gcsBucket(connection.bucket, transfer, calls)
  const addressOf = gcsAddresses(connection, options)
  await requireAddresses(addressOf, options.credentialsFile)
  const uploads = new OpenUploads()

  const write = async (
    spec: GcsObjectSpec,
    bytes: Uint8Array,
    ifGeneration: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const written = await calls.persistently(
      `cannot write ${spec.key}`,
      (both) => transfer.insert(spec, bodyOf(bytes), ifGeneration, both),
      signal,
    )
    return written !== undefined
  }
  const touch = async (key: string, signal: AbortSignal) => {
    await write(smallSpec(key, 'application/octet-stream'), new Uint8Array(), undefined, signal)
  }

  const objects: ObjectStore = {
    async stat(key, signal) {
      const found = await bucket.find(key, signal)
      return found && { sizeBytes: found.sizeBytes, changedMs: found.changedMs }
    },
    open: (key, range, signal) =>
      calls.persistently(
        `cannot read ${key}`,
        async (both) => {
          const answer = await transfer.download(key, range, both)
          const doing = calls.describe(`cannot read ${key}`)
          return answer && watchBody(answer, { doing, stallMs: idleTimeoutMs, explain: gcsError })
        },
        signal,
      ),
    read: (key, mostBytes, signal) =>
      calls.persistently(
        `cannot read ${key}`,
        async (both) => {
          const answer = await transfer.download(key, undefined, both)
          return answer && collectBytes(answer, mostBytes, both)
        },
        signal,
      ),

    async put(key, bytes, contentType, signal) {
      await write(smallSpec(key, contentType), bytes, undefined, signal)
    },
    // When the answer to a successful try is lost, the next one finds the object and says false: that
    // the object is there is true all the same.
    async putFirst(key, bytes, contentType, signal) {
      try {
        return await write(smallSpec(key, contentType), bytes, '0', signal)
      } catch (error) {
        if (isBrokenConnection(error) && (await bucket.find(key, signal))) return false
        throw error
      }
    },
    touch,
    async upload(contentType, signal) {
      const target = gcsParts({
        bucket: connection.bucket,
        calls,
        contentType,
        transfer,
        find: bucket.find,
      })
      return uploads.add(spooledUpload(options.spool, target, options, signal))
    },

    remove: bucket.remove,
    move: bucket.move,
    list: bucket.list,

    async sweepStaging(signal) {
      await touch(storageKeys.clock, signal)
      const now = await bucket.find(storageKeys.clock, signal)
      let removed = 0
      for await (const { key, changedMs } of bucket.list('staging', signal)) {
        if (now === undefined || changedMs > now.changedMs - mostUploadMs) continue
        await bucket.remove(key, signal)
        removed += 1
      }
      return removed
    },
    locate: (key, signal) =>
      calls.once(`cannot make an address of ${key}`, () => addressOf(key), signal),
    close: () => uploads.discard(),
  }
  await probeWithin(`gs://${options.bucket}`, (signal) => probeObjects(objects, signal))
  return objects
}

/** What changes under its name must not come from a cache: buckets that everybody may read have one. */
function smallSpec(key: string, contentType: string): GcsObjectSpec {
  return { key, contentType, cacheControl: 'no-store' }
}
