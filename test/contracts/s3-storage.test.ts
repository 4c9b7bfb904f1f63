import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { copyObject } from '#adapters/storage/s3/copy-object.ts'
import { defaultLimits, type S3Bucket } from '#adapters/storage/s3/s3-bucket.ts'
import { sweepStaging } from '#adapters/storage/s3/sweep-staging.ts'
import type { FaultAnswer } from '#test/storage/fault.ts'
import { s3EmulatorProgram } from '#test/storage/s3-emulator.ts'
import { layerType, storeBlob } from '#test/storage/object-site.ts'
import { answerTo, partBytes, startS3Site, type S3Site } from '#test/storage/s3-site.ts'
import { storageContract } from './storage-contract.ts'

const hourMs = 60 * 60 * 1000

const program = await s3EmulatorProgram()
const signal = new AbortController().signal

suite('S3', { skip: 'skip' in program && program.skip }, () => {
  let site: S3Site
  before(async () => (site = await startS3Site(program)))
  after(() => site[Symbol.asyncDispose]())

  /** For calls of the backend that `ObjectStore` gives no settings for. */
  const bare = (name: string): S3Bucket => ({
    name,
    s3: site.emulator.s3,
    limits: defaultLimits,
    checksum: 'crc32',
  })

  storageContract('s3', async (context) => {
    const bucket = await site.makeBucket()
    return [
      createStorage(await site.open(context, bucket)),
      createStorage(await site.open(context, bucket)),
    ]
  })

  test('S3: the server copies large objects in pieces', async () => {
    const bucket = await site.makeBucket()
    const bytes = randomBytes(2 * partBytes + 1)
    await site.emulator.s3.putObject({ Bucket: bucket, Key: 'staging/a', Body: bytes })
    const plan = {
      from: 'staging/a',
      to: 'layers/a',
      sizeBytes: bytes.length,
      contentType: layerType,
    }
    await copyObject(bare(bucket), plan, signal, partBytes)
    const copied = await site.emulator.s3.getObject({ Bucket: bucket, Key: 'layers/a' })
    assert.equal(copied.ContentType, layerType)
    assert.deepEqual(Buffer.from(await copied.Body!.transformToByteArray()), bytes)

    const absent = { ...plan, from: 'staging/absent' }
    await assert.rejects(copyObject(bare(bucket), absent, signal, partBytes), {
      name: 'OperatingError',
    })
    assert.deepEqual(
      await site.findLeftovers(bucket),
      ['staging/a'],
      'the failed copy leaves no upload',
    )
  })

  test('S3: staging is swept of what is older than a day', async (context) => {
    const bucket = await site.makeBucket()
    const objects = await site.open(context, bucket)
    const target = { Bucket: bucket, Key: 'staging/parts' }
    await site.emulator.s3.putObject({ Bucket: bucket, Key: 'staging/old', Body: 'x' })
    await site.emulator.s3.createMultipartUpload(target)
    await site.emulator.s3.createMultipartUpload({ ...target, Key: 'layers/copied' })
    await objects.put('layers/a', Buffer.from('blob'), layerType, signal)
    assert.equal(await objects.sweepStaging(signal), 0)
    assert.equal((await site.findLeftovers(bucket)).length, 3)
    assert.equal(await sweepStaging(bare(bucket), Date.now() + 25 * hourMs, signal), 3)
    assert.deepEqual(await site.findLeftovers(bucket), [])
    assert.ok(await objects.stat('layers/a', signal))
  })

  test('S3: an address gives the object, or a part of it, to whoever has it', async (context) => {
    const bucket = await site.makeBucket()
    // Another name of the same server: the host is part of what is signed.
    const publicEndpoint = site.emulator.url.replace('127.0.0.1', 'localhost')
    const objects = await site.open(context, bucket, { publicEndpoint })
    await storeBlob(objects, 'layers/a', Buffer.from('hello world'))
    const url = await objects.locate!('layers/a', signal)
    assert.equal(url.origin, publicEndpoint)
    assert.deepEqual([...url.searchParams.keys()].sort(), [
      'X-Amz-Algorithm',
      'X-Amz-Credential',
      'X-Amz-Date',
      'X-Amz-Expires',
      'X-Amz-Signature',
      'X-Amz-SignedHeaders',
    ])
    const whole = await fetch(url)
    assert.deepEqual([whole.status, await whole.text()], [200, 'hello world'])
    assert.equal(whole.headers.get('content-type'), layerType)
    const part = await fetch(url, { headers: { Range: 'bytes=6-8' } })
    assert.deepEqual([part.status, await part.text()], [206, 'wor'])
  })

  test('S3: an address is of no use for anything else', async (context) => {
    const objects = await site.open(context, await site.makeBucket())
    await storeBlob(objects, 'layers/a', Buffer.from('hello world'))
    const url = await objects.locate!('layers/a', signal)
    const other = new URL(url)
    other.pathname = other.pathname.replace('layers/a', 'layers/b')
    assert.equal((await fetch(other)).status, 403)
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 403)
    assert.ok(await objects.stat('layers/a', signal))
  })

  test('S3: addresses are signed by the clock of the server', async (context) => {
    const aheadMs = 20 * 60 * 1000
    const answer: FaultAnswer = {
      status: 200,
      headers: { Date: new Date(Date.now() + aheadMs).toUTCString() },
      body: '<ListBucketResult></ListBucketResult>',
    }
    const [objects] = await site.openFaulty(context, answerTo('GET', answer))
    await Array.fromAsync(objects.list('layers', signal))
    const url = await objects.locate!('layers/a', signal)
    const signedAt = Temporal.Instant.from(url.searchParams.get('X-Amz-Date')!)
    const offsetMs = signedAt.epochMilliseconds - Date.now()
    assert.ok(Math.abs(offsetMs - aheadMs) < 60_000, `signed ${offsetMs} ms from now`)
  })
})
