import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { checksumBody } from '#adapters/storage/s3/body-checksum.ts'
import { openS3Objects } from '#adapters/storage/s3/s3-objects.ts'
import { s3EmulatorProgram } from './s3-emulator.ts'
import { layerType, readWhole, storeBlob } from './object-site.ts'
import { partBytes, startS3Site, type S3Site } from './s3-site.ts'

const program = await s3EmulatorProgram()
const signal = new AbortController().signal

// A refusal comes before so much is sent.
const streamedBytes = 8 * 1024 * 1024

suite('S3 uploads', { skip: 'skip' in program && program.skip }, () => {
  let site: S3Site
  before(async () => (site = await startS3Site(program)))
  after(() => site[Symbol.asyncDispose]())

  test('of several parts are one object, with its type, and leave nothing else', async (context) => {
    const bucket = await site.makeBucket()
    const objects = await site.open(context, bucket)
    const bytes = randomBytes(2 * partBytes + 1234)
    await storeBlob(objects, 'layers/large', bytes)
    assert.deepEqual(await readWhole(objects, 'layers/large'), bytes)
    const range = { start: partBytes - 2, end: partBytes + 2 }
    const middle = await objects.open('layers/large', range, signal)
    assert.deepEqual(await buffer(middle!), bytes.subarray(range.start, range.end + 1))
    await storeBlob(objects, 'layers/small', bytes.subarray(0, 10))
    for (const Key of ['layers/large', 'layers/small']) {
      const head = await site.emulator.s3.headObject({ Bucket: bucket, Key })
      assert.equal(head.ContentType, layerType)
    }
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })

  test('are checked by the server, which keeps the checksums', async (context) => {
    const bucket = await site.makeBucket()
    const objects = await site.open(context, bucket)
    const bytes = randomBytes(1000)
    await storeBlob(objects, 'layers/small', bytes)
    await objects.put('builds/a', bytes, 'application/json', signal)
    const wanted = await checksumBody([bytes], 'crc32')
    for (const Key of ['layers/small', 'builds/a']) {
      const input = { Bucket: bucket, Key, ChecksumMode: 'ENABLED' as const }
      const { ChecksumCRC32 } = await site.emulator.s3.headObject(input)
      assert.deepEqual({ ChecksumCRC32 }, wanted)
    }
  })

  test('that fill one part exactly, or two, and empty ones', async (context) => {
    const objects = await site.open(context, await site.makeBucket())
    for (const sizeBytes of [0, partBytes, 2 * partBytes]) {
      const bytes = randomBytes(sizeBytes)
      await storeBlob(objects, `layers/${sizeBytes}`, bytes)
      assert.deepEqual(await readWhole(objects, `layers/${sizeBytes}`), bytes)
    }
  })

  test('of one blob by two writers at once both succeed', async (context) => {
    const bucket = await site.makeBucket()
    const writers = [await site.open(context, bucket), await site.open(context, bucket)]
    for (const bytes of [randomBytes(2 * partBytes), randomBytes(100)]) {
      const key = `layers/${bytes.length}`
      await Promise.all(writers.map((objects) => storeBlob(objects, key, bytes)))
      assert.deepEqual(await readWhole(writers[0]!, key), bytes)
    }
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })

  test('of one blob in one request by two writers, who begin at any time, both succeed', async (context) => {
    const bucket = await site.makeBucket()
    const changes = { partBytes: 2 * streamedBytes }
    const writers = [
      await site.open(context, bucket, changes),
      await site.open(context, bucket, changes),
    ] as const
    for (let round = 0; round < 30; round += 1) {
      const [key, bytes] = [`layers/${round}`, randomBytes(streamedBytes)]
      const first = storeBlob(writers[0], key, bytes)
      // As many answers to the first writer as pass meanwhile make the second one late.
      for (let turns = 0; turns < round % 10; turns += 1) await writers[1].stat('layers/x', signal)
      await Promise.all([first, storeBlob(writers[1], key, bytes)])
      assert.equal((await writers[1].stat(key, signal))?.sizeBytes, streamedBytes)
    }
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })

  test('replace a stored blob of another length', async (context) => {
    const objects = await site.open(context, await site.makeBucket())
    const bytes = randomBytes(partBytes + 1)
    await objects.put('layers/a', bytes.subarray(0, 10), layerType, signal)
    await storeBlob(objects, 'layers/a', bytes)
    assert.deepEqual(await readWhole(objects, 'layers/a'), bytes)
  })

  test('that are discarded or left open leave nothing', async () => {
    const bucket = await site.makeBucket()
    const objects = await openS3Objects(site.options(bucket))
    const bytes = randomBytes(2 * partBytes)
    const [discarded, leftOpen] = [
      await objects.upload(layerType, signal),
      await objects.upload(layerType, signal),
    ]
    await discarded.write(bytes)
    await discarded.discard()
    await leftOpen.write(bytes)
    await objects.close()
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })

  test('end with their signal, and leave nothing', async (context) => {
    const bucket = await site.makeBucket()
    const objects = await site.open(context, bucket)
    const leaving = new AbortController()
    const upload = await objects.upload(layerType, leaving.signal)
    await upload.write(randomBytes(2 * partBytes))
    leaving.abort(new Error('nobody waits'))
    await assert.rejects(upload.publish('layers/a'), /nobody waits/)
    await upload.discard()
    assert.equal(await objects.stat('layers/a', signal), undefined)
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })
})
