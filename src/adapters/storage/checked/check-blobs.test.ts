import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { digestHex, digestOf, type Digest } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { StorageEvent } from '#engine/ports/storage-observer.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { openFilesystemStorage } from '../filesystem/filesystem-storage.ts'
import { checkBlobs } from './check-blobs.ts'

const signal = new AbortController().signal

/** A storage on disk, several chunks of which make a large blob; `damage` changes its bytes. */
async function setUp(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'nixery-checked-'))
  const storage = await openFilesystemStorage(root)
  context.after(async () => {
    await storage.close()
    await rm(root, { recursive: true, force: true })
  })
  const events: StorageEvent[] = []
  const check = (
    changes: Partial<Storage['blobs']> = {},
    upkeep: Partial<Storage['upkeep']> = {},
  ) =>
    checkBlobs(
      { blobs: { ...storage.blobs, ...changes }, upkeep: { ...storage.upkeep, ...upkeep } },
      { observe: (event) => events.push(event) },
    )
  return {
    storage,
    events,
    check,
    blobs: check(),
    pathOf: (digest: Digest) => join(root, 'layers', digestHex(digest)),
    quarantined: () => Array.fromAsync(storage.upkeep.quarantined(signal)),
  }
}

async function put(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const upload = await blobs.upload('application/octet-stream', signal)
  await upload.write(bytes)
  await upload.publish(digestOf(bytes))
  await upload.discard()
  return digestOf(bytes)
}

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at]! ^= 1
  await writeFile(path, bytes)
}

/** All that a reader gets before the stream ends or fails. */
async function readUntilFailure(stream: Readable | undefined) {
  assert.ok(stream)
  const chunks: Buffer[] = []
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer)
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  }
  return { bytes: Buffer.concat(chunks) }
}

/** Without listening to its errors, as nobody else does. */
function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve))
}

const large = Buffer.alloc(1_000_000, 'large ')
const small = Buffer.from('small')
const isDamaged = { code: 'STORAGE_FAILED', message: /is damaged; it is made again/ }

for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['one chunk', small],
  ['many chunks', large],
] as const)
  test(`checkBlobs() gives ${what} as stored, whole and in part`, async (context) => {
    const { blobs, events, quarantined } = await setUp(context)
    const digest = await put(blobs, bytes)
    assert.ok((await buffer((await blobs.open(digest, undefined, signal))!)).equals(bytes))
    for (const [start, length] of [
      [0, bytes.length],
      [1, bytes.length - 1],
      [0, bytes.length - 1],
    ] as const) {
      if (length < 1) continue
      const range = { start, end: start + length - 1 }
      const part = await blobs.open(digest, range, signal)
      assert.ok((await buffer(part!)).equals(bytes.subarray(start, start + length)))
    }
    assert.deepEqual(events, [])
    assert.deepEqual(await quarantined(), [])
  })

test('open() never gives all bytes of a damaged blob, and quarantines it', async (context) => {
  for (const range of [undefined, { start: 0, end: large.length - 1 }]) {
    const { blobs, events, pathOf, quarantined } = await setUp(context)
    const digest = await put(blobs, large)
    await flipByte(pathOf(digest), 10)
    const { bytes, error } = await readUntilFailure(await blobs.open(digest, range, signal))
    assert.ok(bytes.length < large.length)
    assert.throws(() => {
      throw error
    }, isDamaged)
    // At the moment of the failure, so that the next pull finds it missing.
    assert.equal(await blobs.stat(digest, signal), undefined)
    assert.deepEqual(events, [{ kind: 'blob-quarantined', digest, sizeBytes: large.length }])
    assert.equal((await quarantined())[0]?.digest, digest)
    assert.equal(await blobs.open(digest, undefined, signal), undefined)
  }
})

for (const [what, sizeBytes] of [
  ['truncated', 700_000],
  ['emptied', 0],
] as const)
  test(`open() quarantines a blob that was ${what}`, async (context) => {
    const { blobs, events, pathOf } = await setUp(context)
    const digest = await put(blobs, large)
    await truncate(pathOf(digest), sizeBytes)
    const { error } = await readUntilFailure(await blobs.open(digest, undefined, signal))
    assert.throws(() => {
      throw error
    }, isDamaged)
    assert.deepEqual(events, [{ kind: 'blob-quarantined', digest, sizeBytes }])
  })

test('open() sends nothing of a damaged blob of one chunk', async (context) => {
  const { blobs, pathOf } = await setUp(context)
  const digest = await put(blobs, small)
  await flipByte(pathOf(digest), 0)
  const { bytes, error } = await readUntilFailure(await blobs.open(digest, undefined, signal))
  assert.equal(bytes.length, 0)
  assert.ok(error instanceof OperatingError)
})

test('open() quarantines a blob once for many readers', async (context) => {
  const { blobs, events, pathOf } = await setUp(context)
  const digest = await put(blobs, large)
  await flipByte(pathOf(digest), 10)
  // All of them before the first one reads: who comes after the quarantine finds nothing.
  const streams = await Promise.all(
    Array.from({ length: 8 }, () => blobs.open(digest, undefined, signal)),
  )
  const readings = await Promise.all(streams.map(readUntilFailure))
  for (const { error } of readings) assert.ok(error instanceof OperatingError)
  assert.equal(events.length, 1)
})

test('open() leaves a blob alone that was damaged on its way', async (context) => {
  const { storage, check, events, quarantined } = await setUp(context)
  let reads = 0
  const blobs = check({
    async open(...args) {
      reads += 1
      return reads === 1
        ? Readable.from([Buffer.from('what a proxy says')])
        : storage.blobs.open(...args)
    },
  })
  const digest = await put(blobs, small)
  const { error } = await readUntilFailure(await blobs.open(digest, undefined, signal))
  assert.ok(error instanceof OperatingError)
  assert.equal(error.code, 'STORAGE_BUSY')
  assert.deepEqual([events, await quarantined()], [[], []])
  assert.deepEqual(await readUntilFailure(await blobs.open(digest, undefined, signal)), {
    bytes: small,
  })
})

test('open() leaves a blob alone whose read fails or is given up', async (context) => {
  const { check, events, pathOf, quarantined } = await setUp(context)
  const failing = check({
    open: async () =>
      Readable.from(
        (function* () {
          yield Buffer.from('half of it')
          throw new OperatingError('STORAGE_BUSY', 'the connection is lost')
        })(),
      ),
  })
  const digest = await put(failing, large)
  await flipByte(pathOf(digest), 10)
  const { error } = await readUntilFailure(await failing.open(digest, undefined, signal))
  assert.match(String(error), /the connection is lost/)

  const givenUp = await check().open(digest, undefined, signal)
  for await (const _chunk of givenUp!) break
  assert.deepEqual([events, await quarantined()], [[], []])
})

test('a stream that fails before anybody listens harms nobody', async (context) => {
  const { check } = await setUp(context)
  const source = new Readable({ read: () => undefined })
  const blobs = check({ open: async () => source })
  const stream = await blobs.open(digestOf('x'), undefined, signal)
  source.destroy(new Error('lost early'))
  await closed(source)
  assert.match(String((await readUntilFailure(stream)).error), /lost early/)
})

test('leaving a stream closes its source', async (context) => {
  const { check } = await setUp(context)
  for (const range of [undefined, { start: 1, end: 2 }]) {
    const source = new Readable({ read: () => undefined })
    const stream = await check({ open: async () => source }).open(digestOf('x'), range, signal)
    stream?.destroy()
    await closed(source)
  }
})

test('open() fails when a part is shorter or longer than asked for', async (context) => {
  const { storage, check, blobs, pathOf, events } = await setUp(context)
  const digest = await put(blobs, large)
  const range = { start: 10, end: 800_009 }
  const ignorant = check({
    open: (digest, _range, signal) => storage.blobs.open(digest, undefined, signal),
  })
  const longer = await readUntilFailure(await ignorant.open(digest, range, signal))
  assert.match(String(longer.error), /was to give 800000 bytes and gave more/)
  await truncate(pathOf(digest), 700_000)
  const shorter = await readUntilFailure(await blobs.open(digest, range, signal))
  assert.match(String(shorter.error), /was to give 800000 bytes and gave 699990/)
  assert.deepEqual(events, [])
})

test('readDocument() quarantines a damaged document', async (context) => {
  const { blobs, events, pathOf, quarantined } = await setUp(context)
  const digest = await put(blobs, small)
  assert.deepEqual(Buffer.from((await blobs.readDocument(digest, signal))!), small)
  await flipByte(pathOf(digest), 0)
  assert.equal(await blobs.readDocument(digest, signal), undefined)
  assert.deepEqual(events, [{ kind: 'blob-quarantined', digest, sizeBytes: small.length }])
  assert.equal((await quarantined()).length, 1)
  assert.equal(await blobs.readDocument(digest, signal), undefined)
  assert.equal(events.length, 1)
})

test('readDocument() leaves alone what is no document', async (context) => {
  const { blobs, events } = await setUp(context)
  const layer = await put(blobs, Buffer.alloc(maxDocumentBytes + 1))
  assert.equal(await blobs.readDocument(layer, signal), undefined)
  assert.notEqual(await blobs.stat(layer, signal), undefined)
  assert.deepEqual(events, [])
})

test('readDocument() reads a document again that was damaged on its way', async (context) => {
  const { storage, check, events } = await setUp(context)
  let reads = 0
  const blobs = check({
    async readDocument(...args) {
      reads += 1
      return reads === 1 ? undefined : storage.blobs.readDocument(...args)
    },
  })
  const digest = await put(blobs, small)
  assert.deepEqual(Buffer.from((await blobs.readDocument(digest, signal))!), small)
  assert.deepEqual(events, [])
})

test('a blob that cannot be quarantined is refused all the same', async (context) => {
  const { check, events, pathOf } = await setUp(context)
  const blobs = check(
    {},
    {
      async quarantineBlob() {
        throw new OperatingError('BUCKET_DENIED', 'no right to move')
      },
    },
  )
  const digest = await put(blobs, small)
  await flipByte(pathOf(digest), 0)
  const warned = once(process, 'warning')
  assert.equal(await blobs.readDocument(digest, signal), undefined)
  assert.match(String((await warned)[0]), /cannot quarantine sha256:.*no right to move/)
  const { error } = await readUntilFailure(await blobs.open(digest, undefined, signal))
  assert.throws(() => {
    throw error
  }, isDamaged)
  assert.deepEqual(events, [])
})
