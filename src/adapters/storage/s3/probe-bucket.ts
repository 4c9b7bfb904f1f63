import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { OperatingError } from '#engine/operating-error.ts'
import type { SpooledPart } from '../spool/spooled-part.ts'
import { storageKeys } from '../storage-layout.ts'
import { MultipartTarget } from './multipart-target.ts'
import { callBucket, type S3Bucket } from './s3-bucket.ts'
import { statusOf } from './s3-error.ts'
import { putFirstObject, removeObject, statObject } from './small-objects.ts'

const contentType = 'application/octet-stream'
const bytes = Buffer.from('probe')
const part: SpooledPart = { sizeBytes: bytes.length, open: () => Readable.from([bytes]) }

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

/** Servers that do not know CRC-32, or not in every request, answer 400 or 501. */
async function chooseChecksum(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<S3Bucket> {
  try {
    await uploadInParts(bucket, key, signal)
    return bucket
  } catch (error) {
    const status = statusOf(error)
    if (status !== 400 && status !== 501) throw error
    const other: S3Bucket = { ...bucket, checksum: 'md5' }
    // When it was not for the checksum, the first error says more.
    await uploadInParts(other, key, signal).catch(() => {
      throw error
    })
    return other
  }
}

/** The last part of a multipart upload, which is its first one here, may be small. */
async function uploadInParts(bucket: S3Bucket, key: string, signal: AbortSignal): Promise<void> {
  const target = new MultipartTarget(bucket, contentType)
  try {
    await target.putPart(0, part, signal)
    await target.join(key, 1, part.sizeBytes, signal)
  } catch (error) {
    await target.abandon().catch(() => {
      // The sweep of staging finds it; the first error says more.
    })
    throw error
  }
}

/** Without conditional writes two instances could disagree on the content of an entry. */
async function requireConditions(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const write = () => putFirstObject(bucket, key, bytes, contentType, signal)
  const unfit = (cause?: unknown) =>
    new OperatingError(
      'STORAGE_FAILED',
      `s3://${bucket.name}: the server does not keep the first of two writes (If-None-Match: *): use a newer version of it, or another one`,
      { cause },
    )
  try {
    const [, again] = [await write(), await write()]
    if (again) throw unfit()
  } catch (error) {
    throw statusOf(error) === 501 ? unfit(error) : error
  }
}
