import { randomUUID } from 'node:crypto'
import { OperatingError } from '#engine/operating-error.ts'
import { storageKeys } from '../storage-layout.ts'
import { callBucket, type S3Bucket } from './s3-bucket.ts'
import { statusOf } from './s3-error.ts'
import { putFirstObject, putObject, removeObject, statObject } from './small-objects.ts'

const contentType = 'application/octet-stream'

/**
 * Does once all that the service will do, so that a wrong bucket, missing rights and servers that
 * lack what is needed are noticed at the start. Gives the bucket with the checksum that it takes.
 */
export async function probeBucket(bucket: S3Bucket, signal: AbortSignal): Promise<S3Bucket> {
  const key = storageKeys.staged(`probe-${randomUUID()}`)
  // First, because its answer has a body, which says what is wrong; that of a HEAD has none.
  await list(bucket, key, signal)
  // A server tells absent from forbidden only those who may list.
  await statObject(bucket, key, signal)
  const probed = await chooseChecksum(bucket, key, signal)
  await removeObject(probed, key, signal)
  await requireConditions(probed, key, signal)
  await removeObject(probed, key, signal)
  return probed
}

async function list(bucket: S3Bucket, prefix: string, signal: AbortSignal): Promise<void> {
  await callBucket(
    bucket,
    'cannot list objects',
    bucket.limits.small,
    (s3, options) => s3.listObjectsV2({ Bucket: bucket.name, Prefix: prefix, MaxKeys: 1 }, options),
    signal,
  )
}

/** Servers that do not know CRC-32 (R2 did not for long) answer 400 or 501. */
async function chooseChecksum(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<S3Bucket> {
  const write = (bucket: S3Bucket) =>
    putObject(bucket, key, Buffer.from('probe'), contentType, signal)
  try {
    await write(bucket)
    return bucket
  } catch (error) {
    const status = statusOf(error)
    if (status !== 400 && status !== 501) throw error
    const other: S3Bucket = { ...bucket, checksum: 'md5' }
    // When it was not for the checksum, the first error says more.
    await write(other).catch(() => {
      throw error
    })
    return other
  }
}

/** Without conditional writes two instances could disagree on the content of an entry. */
async function requireConditions(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const write = () => putFirstObject(bucket, key, Buffer.from('probe'), contentType, signal)
  const unfit = (cause?: unknown) =>
    new OperatingError(
      'STORAGE_FAILED',
      `bucket ${bucket.name}: the server does not keep the first of two writes (If-None-Match: *): use a newer version of it, or another one`,
      { cause },
    )
  try {
    const [, again] = [await write(), await write()]
    if (again) throw unfit()
  } catch (error) {
    throw statusOf(error) === 501 ? unfit(error) : error
  }
}
