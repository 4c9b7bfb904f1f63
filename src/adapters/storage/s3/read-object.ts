import type { Readable } from 'node:stream'
import type { ByteRange } from '#core/oci/byte-range.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { watchBody } from '../watch-body.ts'
import { callBucket, describeCall, type S3Bucket } from './s3-bucket.ts'
import { s3Error } from './s3-error.ts'
import { unlessMissing } from './small-objects.ts'

/** A stream over an object or a part of it. Once it is open it lives until it is read or destroyed. */
export async function openObject(
  bucket: S3Bucket,
  key: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<Readable | undefined> {
  const doing = `cannot read ${key}`
  const input = {
    Bucket: bucket.name,
    Key: key,
    Range: range && `bytes=${range.start}-${range.end}`,
  }
  const body = await callBucket(
    bucket,
    doing,
    bucket.limits.small,
    async (s3, options) => {
      const found = await unlessMissing(s3.getObject(input, options))
      if (found === undefined) return undefined
      // Browsers have other streams.
      const body = found.Body as Readable
      if (range === undefined || found.$metadata.httpStatusCode === 206) return body
      body.destroy()
      throw new OperatingError('STORAGE_FAILED', `${doing}: the server knows no ranges`)
    },
    signal,
  )
  const { stallMs } = bucket.limits
  return (
    body && watchBody(body, { doing: describeCall(bucket.name, doing), stallMs, explain: s3Error })
  )
}

// The SDK repeats what fails before an answer begins. That one breaks off three times is no hiccup.
const mostReads = 3

/** A small object in memory; `undefined` when it is not there or larger. */
export async function readObject(
  bucket: S3Bucket,
  key: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  return callBucket(
    bucket,
    `cannot read ${key}`,
    bucket.limits.small,
    async (s3, options) => {
      for (let reads = 1; ; reads += 1) {
        const found = await unlessMissing(s3.getObject({ Bucket: bucket.name, Key: key }, options))
        if (found === undefined) return undefined
        try {
          return await readBounded(found.Body as Readable, mostBytes)
        } catch (error) {
          options.abortSignal.throwIfAborted()
          if (reads === mostReads) throw error
        }
      }
    },
    signal,
  )
}

async function readBounded(body: Readable, mostBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  // Leaving the loop destroys the stream.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > mostBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
