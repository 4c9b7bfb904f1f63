import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { S3 } from '@aws-sdk/client-s3'
import { MultipartTarget } from './multipart-target.ts'
import { defaultLimits, type S3Bucket } from './s3-bucket.ts'
import { putFirstObject } from './small-objects.ts'

const signal = new AbortController().signal
const key = 'layers/a'
const largeBytes = 8 * 1024 * 1024

/** What stands at the key, one answer to HEAD after the other, the last one for good. */
type Sizes = readonly (number | undefined)[]

/**
 * A server that closes the connection before it has read a body; when it `answers` it says why, which
 * may arrive or not. Gives a bucket of it, and the methods that it was asked for.
 */
async function startRefuser(context: TestContext, sizes: Sizes, answers = false) {
  const asked: string[] = []
  const left = [...sizes]
  const server = createServer(({ method = '', socket }, response) => {
    asked.push(method)
    if (method === 'PUT') {
      if (answers) response.writeHead(412, { Connection: 'close' }).end()
      return void (answers ? socket.destroySoon() : socket.resetAndDestroy())
    }
    const sizeBytes = left.length > 1 ? left.shift() : left[0]
    if (sizeBytes === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'Content-Length': sizeBytes }).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const s3 = new S3({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  })
  context.after(() => {
    s3.destroy()
    server.closeAllConnections()
    server.close()
  })
  const bucket: S3Bucket = { name: 'images', s3, limits: defaultLimits, checksum: 'crc32' }
  return { bucket, asked }
}

function putWhole(bucket: S3Bucket, sizeBytes: number): Promise<void> {
  const open = () => Readable.from([Buffer.alloc(sizeBytes)])
  const target = new MultipartTarget(bucket, 'application/octet-stream')
  return target.putWhole(key, { sizeBytes, open }, signal)
}

test('putWhole() sends no large blob that is stored', async (context) => {
  const { bucket, asked } = await startRefuser(context, [largeBytes])
  await putWhole(bucket, largeBytes)
  assert.deepEqual(asked, ['HEAD'])
})

for (const sizeBytes of [1000, largeBytes])
  for (const answers of [false, true])
    test(`putWhole() of ${sizeBytes} bytes looks again when it is refused ${answers ? 'early' : 'unheard'}`, async (context) => {
      const sizes = sizeBytes === largeBytes ? [undefined, sizeBytes] : [sizeBytes]
      const { bucket, asked } = await startRefuser(context, sizes, answers)
      await putWhole(bucket, sizeBytes)
      assert.equal(asked.filter((method) => method === 'PUT').length, 1)
    })

test('putWhole() fails in the words of the system when the blob is not there', async (context) => {
  const { bucket } = await startRefuser(context, [undefined])
  await assert.rejects(putWhole(bucket, largeBytes), ({ code, message }) => {
    assert.equal(code, 'STORAGE_BUSY')
    assert.match(message, /^s3:\/\/images: cannot write layers\/a: .*(ECONNRESET|EPIPE)/)
    assert.doesNotMatch(message, /TimeoutError/)
    return true
  })
})

test('putFirstObject() looks again when the refusal is lost', async (context) => {
  const { bucket } = await startRefuser(context, [5])
  assert.equal(
    await putFirstObject(bucket, 'builds/a', Buffer.alloc(100), 'text/plain', signal),
    false,
  )
})

function ignore(): void {}
