import type { ObjectStore } from '../object-store.ts'
import { OpenUploads } from '../spool/open-uploads.ts'
import type { RetryTools } from '../spool/retry.ts'
import { probeWithin } from '../probe-within.ts'
import { spooledUpload } from '../spool/spooled-upload.ts'
import type { Spool } from '../spool/spool.ts'
import { storageKeys } from '../storage-layout.ts'
import { connectS3, type S3Connection } from './connect-s3.ts'
import { moveObject } from './copy-object.ts'
import { listObjects } from './list-objects.ts'
import { MultipartTarget } from './multipart-target.ts'
import type { PresignDownload } from './presign-download.ts'
import { probeBucket } from './probe-bucket.ts'
import { callBucket, defaultLimits, type S3Bucket } from './s3-bucket.ts'
import { openObject, readObject } from './read-object.ts'
import { putFirstObject, putObject, removeObject, statObject } from './small-objects.ts'
import { sweepStaging } from './sweep-staging.ts'

export interface S3Options extends S3Connection {
  /** Where parts of uploads wait; the caller closes it. */
  readonly spool: Spool
  /** 16 MiB unless given; S3 takes 5 MiB and more. */
  readonly partBytes?: number | undefined
  readonly retry?: RetryTools | undefined
}

/**
 * Objects in a bucket of S3 or of anything that speaks it. Publishing copies within the bucket, so
 * nothing is sent twice; a small object is written under its key at once.
 */
export async function openS3Objects(options: S3Options): Promise<ObjectStore> {
  const { s3, presign } = await connectS3(options)
  const { limits = defaultLimits } = options
  try {
    const unprobed: S3Bucket = { name: options.bucket, s3, limits, checksum: 'crc32' }
    const bucket = await probeWithin(`s3://${options.bucket}`, (signal) =>
      probeBucket(unprobed, signal),
    )
    return createS3Objects(bucket, presign, options)
  } catch (error) {
    s3.destroy()
    throw error
  }
}

function createS3Objects(
  bucket: S3Bucket,
  presign: PresignDownload,
  { spool, partBytes, retry }: S3Options,
): ObjectStore {
  const uploads = new OpenUploads()
  const touch = (key: string, signal: AbortSignal) =>
    putObject(bucket, key, new Uint8Array(), 'application/octet-stream', signal)
  return {
    stat: (key, signal) => statObject(bucket, key, signal),
    open: (key, range, signal) => openObject(bucket, key, range, signal),
    read: (key, mostBytes, signal) => readObject(bucket, key, mostBytes, signal),

    put: (key, bytes, contentType, signal) => putObject(bucket, key, bytes, contentType, signal),
    putFirst: (key, bytes, contentType, signal) =>
      putFirstObject(bucket, key, bytes, contentType, signal),
    touch,

    async upload(contentType, signal) {
      const target = new MultipartTarget(bucket, contentType)
      return uploads.add(spooledUpload(spool, target, { partBytes, retry }, signal))
    },

    remove: (key, signal) => removeObject(bucket, key, signal),
    move: (from, to, signal) => moveObject(bucket, from, to, signal),
    list: (folder, signal) => listObjects(bucket, `${folder}/`, signal),

    async sweepStaging(signal) {
      await touch(storageKeys.clock, signal)
      const clock = await statObject(bucket, storageKeys.clock, signal)
      return clock === undefined ? 0 : sweepStaging(bucket, clock.changedMs, signal)
    },

    locate: (key, signal) =>
      callBucket(
        bucket,
        `cannot sign the address of ${key}`,
        bucket.limits.small,
        // By the server's clock as far as the SDK has noticed that it is another one.
        (s3) => presign(key, Date.now() + s3.config.systemClockOffset),
        signal,
      ),

    async close() {
      await uploads.discard()
      bucket.s3.destroy()
    },
  }
}
