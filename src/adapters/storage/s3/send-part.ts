import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { S3 } from '@aws-sdk/client-s3'
import { filesystemError, guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import type { SpooledPart } from '../spool/spooled-part.ts'
import { checksumBody, type BodyChecksum } from './body-checksum.ts'
import { callBucket, type CallOptions, type S3Bucket } from './s3-bucket.ts'

type PartBody = BodyChecksum & {
  readonly Body: Readable | Uint8Array
  readonly ContentLength: number
}

type Send<T> = (s3: S3, body: PartBody, options: CallOptions) => Promise<T>

// As much as the spool keeps in memory anyway. The SDK tries such a body again by itself, at once; one
// that is a stream it cannot, and the spool tries it again.
export const mostMemoryBytes = 256 * 1024

/** Sends one part of an upload. */
export async function sendPart<T>(
  bucket: S3Bucket,
  doing: string,
  part: SpooledPart,
  send: Send<T>,
  signal: AbortSignal,
): Promise<T> {
  const { small, part: large } = bucket.limits
  const ContentLength = part.sizeBytes
  if (ContentLength <= mostMemoryBytes) {
    const Body = await buffer(part.open())
    const body = { Body, ContentLength, ...(await checksumBody([Body], bucket.checksum)) }
    return callBucket(bucket, doing, small, (s3, options) => send(s3, body, options), signal)
  }
  const checksum = await guardFilesystem(doing, () => checksumBody(part.open(), bucket.checksum))
  const Body = part.open()
  const body = { Body, ContentLength, ...checksum }
  // The SDK pipes the body, and a pipe tells nobody that its source has failed.
  const broken = new AbortController()
  Body.on('error', (error) => broken.abort(filesystemError(error, doing)))
  const either = AbortSignal.any([signal, broken.signal])
  try {
    return await callBucket(bucket, doing, large, (s3, options) => send(s3, body, options), either)
  } finally {
    Body.destroy()
  }
}
