import type { Readable } from 'node:stream'
import type { S3 } from '@aws-sdk/client-s3'
import { filesystemError } from '#adapters/filesystem/filesystem-error.ts'
import type { SpooledPart } from '../spool/spooled-part.ts'
import { checksumBody, type BodyChecksum } from './body-checksum.ts'
import { callBucket, type CallOptions, type S3Bucket } from './s3-bucket.ts'

type PartBody = BodyChecksum & { readonly Body: Readable; readonly ContentLength: number }

/** Sends one part of an upload once; trying again is the spool's. */
export async function sendPart<T>(
  bucket: S3Bucket,
  doing: string,
  part: SpooledPart,
  send: (s3: S3, body: PartBody, options: CallOptions) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const checksum = await checksumBody(part.open(), bucket.checksum)
  const body = part.open()
  // The SDK pipes the body, and a pipe tells nobody that its source has failed.
  const broken = new AbortController()
  body.on('error', (error) => broken.abort(filesystemError(error, doing)))
  try {
    return await callBucket(
      bucket,
      doing,
      bucket.limits.part,
      (s3, options) =>
        send(s3, { Body: body, ContentLength: part.sizeBytes, ...checksum }, options),
      AbortSignal.any([signal, broken.signal]),
    )
  } finally {
    body.destroy()
  }
}
