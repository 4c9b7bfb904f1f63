import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { S3 } from '@aws-sdk/client-s3'
import { defaultLimits, type S3Bucket } from './s3-bucket.ts'
import { sendPart } from './send-part.ts'

const signal = new AbortController().signal
const bucket: S3Bucket = {
  name: 'images',
  s3: new S3({ region: 'us-east-1' }),
  limits: defaultLimits,
  checksum: 'crc32',
}
const large = Buffer.alloc(1024 * 1024, 'x')
const lost = () => createReadStream('/nonexistent/part')

/** Parts of these sizes, whose streams come from the list, one for each time they are opened. */
function partOf(sizeBytes: number, ...streams: Readable[]) {
  return { sizeBytes, open: () => streams.shift() ?? lost() }
}

test('sendPart() sends a small part as bytes and a large one as a stream', async () => {
  const small = partOf(3, Readable.from([Buffer.from('abc')]))
  await sendPart(
    bucket,
    'cannot write',
    small,
    async (_, body) => assert.ok(Buffer.isBuffer(body.Body)),
    signal,
  )
  const twice = partOf(large.length, Readable.from([large]), Readable.from([large]))
  const sent = await sendPart(
    bucket,
    'cannot write',
    twice,
    (_, { Body }) => buffer(Body as Readable),
    signal,
  )
  assert.deepEqual(sent, large)
})

test('sendPart() fails when a part cannot be read, before or while it is sent', async () => {
  for (const part of [partOf(large.length), partOf(large.length, Readable.from([large]))]) {
    // What the SDK does with a body that never ends.
    const send = () => new Promise<never>(() => undefined)
    await assert.rejects(sendPart(bucket, 'cannot store part 1', part, send, signal), {
      name: 'OperatingError',
      code: 'STORAGE_FAILED',
      message: /^cannot store part 1: ENOENT/,
    })
  }
})

test('sendPart() leaves no stream open', async () => {
  const streams = [Readable.from([large]), Readable.from([large])]
  const send = async () => Promise.reject(new TypeError('mistake'))
  await assert.rejects(
    sendPart(bucket, 'cannot write', partOf(large.length, ...streams), send, signal),
    TypeError,
  )
  assert.deepEqual(
    streams.map(({ destroyed }) => destroyed),
    [true, true],
  )
})
