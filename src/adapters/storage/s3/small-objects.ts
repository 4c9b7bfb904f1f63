import { OperatingError } from '#engine/operating-error.ts'
import type { ObjectInfo } from '../object-store.ts'
import { isBrokenConnection } from '../network-failure.ts'
import { checksumBody } from './body-checksum.ts'
import { callBucket, describeCall, type S3Bucket } from './s3-bucket.ts'
import { isMissing, statusOf } from './s3-error.ts'

// Two writers at the same moment are told to come again; a bucket that keeps saying so is not well.
const mostConflicts = 5

export interface StoredObject extends ObjectInfo {
  readonly contentType: string
  /** Names these bytes; another version has another one. */
  readonly entityTag: string | undefined
}

export async function statObject(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  const found = await callBucket(
    bucket,
    `cannot look for ${key}`,
    bucket.limits.small,
    (s3, options) => unlessMissing(s3.headObject({ Bucket: bucket.name, Key: key }, options)),
    signal,
  )
  return (
    found && {
      sizeBytes: found.ContentLength ?? 0,
      changedMs: found.LastModified?.getTime() ?? 0,
      contentType: found.ContentType ?? 'application/octet-stream',
      entityTag: found.ETag,
    }
  )
}

/** Writes or replaces an object that is in memory. */
export async function putObject(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  contentType: string,
  signal: AbortSignal,
): Promise<void> {
  const put = await preparePut(bucket, key, bytes, contentType, signal)
  await put()
}

/**
 * Writes an object unless there is one. Of many writers at most one gets true, and none when the
 * answer to the first one was lost: its second try finds what the first one has written.
 */
export async function putFirstObject(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  contentType: string,
  signal: AbortSignal,
): Promise<boolean> {
  const put = await preparePut(bucket, key, bytes, contentType, signal)
  return whenAbsent(bucket, key, () => put('*'), signal)
}

async function preparePut(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  contentType: string,
  signal: AbortSignal,
) {
  const checksum = await checksumBody([bytes], bucket.checksum)
  const input = {
    Bucket: bucket.name,
    Key: key,
    ContentType: contentType,
    Body: bytes,
    ...checksum,
  }
  return (IfNoneMatch?: '*') =>
    callBucket(
      bucket,
      `cannot write ${key}`,
      bucket.limits.small,
      (s3, options) => s3.putObject({ ...input, IfNoneMatch }, options),
      signal,
    )
}

/** Runs a conditional write: false when the object is there already. */
export async function whenAbsent(
  bucket: S3Bucket,
  key: string,
  write: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  for (let conflicts = 0; conflicts < mostConflicts; conflicts += 1) {
    try {
      await write()
      return true
    } catch (error) {
      const status = statusOf(error)
      if (status === 412) return false
      if (status === 409) continue
      // Perhaps a refusal, too (`isBrokenConnection`), or the end of a write whose answer was lost.
      if (isBrokenConnection(error) && (await statObject(bucket, key, signal))) return false
      throw error
    }
  }
  const doing = describeCall(bucket.name, `cannot write ${key}`)
  throw new OperatingError('STORAGE_BUSY', `${doing}: others write it at the same time`)
}

export async function removeObject(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await callBucket(
    bucket,
    `cannot remove ${key}`,
    bucket.limits.small,
    (s3, options) => unlessMissing(s3.deleteObject({ Bucket: bucket.name, Key: key }, options)),
    signal,
  )
}

/** The result, or `undefined` when the object is not there. */
export async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
