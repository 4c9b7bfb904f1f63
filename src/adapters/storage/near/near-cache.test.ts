import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { digestHex, digestOf, type Digest } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { BlobStore } from '#engine/ports/blob-store.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { mountTinyDisk, skipUnlessMounting } from '#test/storage/tiny-disk.ts'
import { checkBlobs } from '../checked/check-blobs.ts'
import { openFilesystemStorage } from '../filesystem/filesystem-storage.ts'
import { nearCache, type NearCache } from './near-cache.ts'

const signal = new AbortController().signal
const mebibyte = 1024 * 1024

async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-near-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

interface Settings {
  readonly mostBytes?: number
  readonly directory?: string
}

/** A storage on disk for the far side, whose calls are counted, and caches in front of it. */
async function setUp(
  context: TestContext,
  { mostBytes = 64 * mebibyte, directory }: Settings = {},
) {
  const opened: { close(): Promise<void> }[] = []
  context.after(() => Promise.all(opened.map((one) => one.close())))
  const root = await temporaryDirectory(context)
  const near = directory ?? (await temporaryDirectory(context))
  const storage = await openFilesystemStorage(root)
  opened.push(storage)
  const events: unknown[] = []
  const checked = checkBlobs(storage, { observe: (event) => events.push(event) })
  const calls: string[] = []
  const counted: BlobStore = {
    ...checked,
    stat: (...args) => (calls.push('stat'), checked.stat(...args)),
    open: (...args) => (calls.push('open'), checked.open(...args)),
    readDocument: (...args) => (calls.push('readDocument'), checked.readDocument(...args)),
  }
  const time = { ms: Date.now() }
  const open = async (upkeep: Storage['upkeep'] = storage.upkeep): Promise<NearCache> => {
    const options = { directory: near, mostBytes, nowMs: () => time.ms }
    const cache = await nearCache({ blobs: counted, upkeep }, options)
    opened.push(cache)
    return cache
  }
  return {
    storage,
    events,
    time,
    open,
    cache: await open(),
    /** What was asked of the far side since the last time. */
    calls: () => calls.splice(0),
    farPath: (digest: Digest) => join(root, 'layers', digestHex(digest)),
    nearPath: (digest: Digest) => join(near, 'blobs', digestHex(digest)),
    kept: async () => (await readdir(join(near, 'blobs'))).sort(),
    unfinished: () => unfinishedFiles(near),
  }
}

type Fixture = Awaited<ReturnType<typeof setUp>>

async function unfinishedFiles(directory: string): Promise<readonly string[]> {
  const found = await readdir(join(directory, 'unfinished'), { recursive: true })
  return found.filter((name) => /\/\d+$/.test(name))
}

/** Bytes that a seed makes different from all others. */
function makeBytes(sizeBytes: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes, seed + 1)
  for (let offset = 0; offset + 4 <= sizeBytes; offset += 4096)
    bytes.writeUInt32LE(offset + seed, offset)
  return bytes
}

async function put(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const upload = await blobs.upload('application/octet-stream', signal)
  await upload.write(bytes)
  await upload.publish(digestOf(bytes))
  await upload.discard()
  return digestOf(bytes)
}

async function readWhole(blobs: BlobStore, digest: Digest): Promise<Buffer> {
  const stream = await blobs.open(digest, undefined, signal)
  assert.ok(stream, 'it is there')
  return buffer(stream)
}

/** Reads a blob, and waits until its copy is kept. */
async function keep(fixture: Fixture, digest: Digest, { blobs } = fixture.cache): Promise<void> {
  await readWhole(blobs, digest)
  await isKept(fixture, digest)
  fixture.calls()
}

function isKept(fixture: Fixture, digest: Digest): Promise<true> {
  return eventually('a copy', async () =>
    (await fixture.kept()).includes(digestHex(digest)) ? true : undefined,
  )
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[10]! ^= 1
  await writeFile(path, bytes)
}

const small = makeBytes(5000)
const large = makeBytes(3 * mebibyte)

for (const [what, bytes] of [
  ['small', small],
  ['large', large],
] as const) {
  test(`open() reads a ${what} blob once from the far side, then from disk`, async (context) => {
    const fixture = await setUp(context)
    const { blobs } = fixture.cache
    const digest = await put(fixture.storage.blobs, bytes)
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
    assert.deepEqual(fixture.calls(), ['stat', 'open'])
    await isKept(fixture, digest)
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
    for (const [start, end] of [
      [0, 0],
      [100, 4000],
      [0, bytes.length - 1],
      [bytes.length - 1, bytes.length - 1],
    ] as const) {
      const part = await blobs.open(digest, { start, end }, signal)
      assert.ok((await buffer(part!)).equals(bytes.subarray(start, end + 1)))
    }
    assert.deepEqual(fixture.calls(), [])
    assert.deepEqual(await fixture.unfinished(), [])
  })

  test(`open() keeps a ${what} blob over restarts, and for others in the directory`, async (context) => {
    const fixture = await setUp(context)
    const digest = await put(fixture.storage.blobs, bytes)
    await readWhole(fixture.cache.blobs, digest)
    await fixture.cache.close()
    fixture.calls()
    const next = await fixture.open()
    const other = await fixture.open()
    for (const { blobs } of [next, other]) assert.ok((await readWhole(blobs, digest)).equals(bytes))
    assert.deepEqual(fixture.calls(), ['stat', 'stat'])
  })

  test(`open() takes a ${what} blob from the far side when the near one is cut or gone`, async (context) => {
    const fixture = await setUp(context)
    const { blobs } = fixture.cache
    const digest = await put(fixture.storage.blobs, bytes)
    await keep(fixture, digest)
    await truncate(fixture.nearPath(digest), 1000)
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
    assert.deepEqual(fixture.calls(), ['open'])
    await eventually('a new copy', async () => {
      const info = await stat(fixture.nearPath(digest)).catch(() => undefined)
      return info?.size === bytes.length ? true : undefined
    })
    await rm(fixture.nearPath(digest))
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
    assert.deepEqual(fixture.calls(), ['open'])
  })

  test(`open() keeps nothing of a ${what} blob that is damaged`, async (context) => {
    const fixture = await setUp(context)
    const { blobs } = fixture.cache
    const digest = await put(fixture.storage.blobs, bytes)
    assert.deepEqual(await blobs.stat(digest, signal), { sizeBytes: bytes.length })
    await flipByte(fixture.farPath(digest))
    await assert.rejects(readWhole(blobs, digest), { code: 'STORAGE_FAILED' })
    assert.equal(await blobs.stat(digest, signal), undefined, 'nor the memory that it is there')
    await fixture.cache.close()
    assert.deepEqual(await fixture.kept(), [])
    assert.equal(fixture.events.length, 1)
  })
}

test('readDocument() reads a document once from the far side, then from disk', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, small)
  assert.ok(small.equals((await blobs.readDocument(digest, signal))!))
  assert.deepEqual(fixture.calls(), ['readDocument'])
  await isKept(fixture, digest)
  assert.ok(small.equals((await blobs.readDocument(digest, signal))!))
  assert.ok(small.equals((await blobs.readDocument(digest, signal))!))
  assert.deepEqual(fixture.calls(), ['stat'])
})

for (const [what, bytes, read] of [
  ['open', small, (blobs, digest) => readWhole(blobs, digest)],
  ['open', large, (blobs, digest) => readWhole(blobs, digest)],
  ['readDocument', small, (blobs, digest) => blobs.readDocument(digest, signal)],
] as readonly [string, Buffer, (blobs: BlobStore, digest: Digest) => Promise<unknown>][])
  test(`${what}() notices that the far one of ${bytes.length} bytes was cut`, async (context) => {
    const fixture = await setUp(context)
    const { blobs } = fixture.cache
    const digest = await put(fixture.storage.blobs, bytes)
    await keep(fixture, digest)
    fixture.time.ms += 60_000
    await truncate(fixture.farPath(digest), 1000)
    const answer = await read(blobs, digest).catch((error: unknown) => error)
    assert.ok(answer === undefined || answer instanceof OperatingError)
    assert.deepEqual(fixture.events, [{ kind: 'blob-quarantined', digest, sizeBytes: 1000 }])
    assert.equal(await blobs.stat(digest, signal), undefined)
  })

test('a damaged near copy is dropped, and the far blob stays', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const document = await put(fixture.storage.blobs, small)
  const layer = await put(fixture.storage.blobs, large)
  for (const read of [
    async () => buffer((await blobs.open(document, undefined, signal))!),
    async () => buffer((await blobs.open(document, { start: 0, end: small.length - 1 }, signal))!),
    async () => Buffer.from((await blobs.readDocument(document, signal))!),
  ]) {
    await keep(fixture, document)
    await flipByte(fixture.nearPath(document))
    assert.ok((await read()).equals(small), 'the far side answers at once')
    await eventually('a good copy', async () => {
      const bytes = await readFile(fixture.nearPath(document)).catch(() => undefined)
      return bytes?.equals(small)
    }).then(assert.ok)
  }
  await keep(fixture, layer)
  await flipByte(fixture.nearPath(layer))
  await assert.rejects(readWhole(blobs, layer), { code: 'STORAGE_FAILED', message: /is dropped/ })
  assert.ok((await readWhole(blobs, layer)).equals(large), 'the next read finds the far one')
  assert.deepEqual(fixture.events, [])
})

test('open() goes on at the far side when the disk gives no more', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, large)
  await keep(fixture, digest)
  for (const [start, end] of [
    [0, large.length - 1],
    [10, large.length - 10],
  ] as const) {
    const stream = await blobs.open(digest, { start, end }, signal)
    await once(stream!, 'readable')
    await truncate(fixture.nearPath(digest), mebibyte)
    assert.ok((await buffer(stream!)).equals(large.subarray(start, end + 1)))
    assert.deepEqual(fixture.calls(), ['open'])
    await writeFile(fixture.nearPath(digest), large)
  }
})

const straced = { skip: skipUnless(['strace']) }

test('open() goes on at the far side when the disk fails', straced, async (context) => {
  const directory = await temporaryDirectory(context)
  const module = (path: string) => JSON.stringify(join(import.meta.dirname, '..', path))
  const script = `
    const { openFilesystemStorage } = await import(${module('filesystem/filesystem-storage.ts')})
    const { checkBlobs } = await import(${module('checked/check-blobs.ts')})
    const { nearCache } = await import(${module('near/near-cache.ts')})
    const { digestOf } = await import('#core/oci/digest.ts')
    const { buffer } = await import('node:stream/consumers')
    const [directory, step] = process.argv.slice(-2)
    const signal = new AbortController().signal
    const { blobs: far, upkeep } = await openFilesystemStorage(directory + '/far')
    const blobs = checkBlobs({ blobs: far, upkeep }, { observe: console.log })
    const options = { directory: directory + '/near', mostBytes: 100e6 }
    const near = await nearCache({ blobs, upkeep }, options)
    const bytes = Buffer.alloc(3_000_000, 'large ')
    if (step === 'keep') {
      const upload = await far.upload('', signal)
      await upload.write(bytes)
      await upload.publish(digestOf(bytes))
    }
    for (const range of [undefined, undefined, { start: 1, end: 2_500_000 }]) {
      const read = await buffer(await near.blobs.open(digestOf(bytes), range, signal))
      console.log(read.equals(range ? bytes.subarray(range.start, range.end + 1) : bytes))
    }
    await near.close()
    process.exit()`
  const node = [process.execPath, '--input-type=module', '--eval', script, '--', directory]
  const path = join(
    directory,
    'near',
    'blobs',
    digestHex(digestOf(Buffer.alloc(3_000_000, 'large '))),
  )
  const inject = ['-P', path, '-e', 'trace=pread64', '-e', 'inject=pread64:error=EIO:when=3+']
  const strace = ['-f', '-o', join(directory, 'calls'), ...inject, '--', ...node, 'read']
  const run = promisify(execFile)
  assert.equal((await run(node[0]!, [...node.slice(1), 'keep'])).stdout, 'true\n'.repeat(3))
  const { stdout, stderr } = await run('strace', strace)
  assert.equal(stdout, 'true\n'.repeat(3))
  assert.match(stderr, /blobs are not read from .*\/near for a while: Error: EIO/)
  assert.match(await readFile(join(directory, 'calls'), 'utf8'), /EIO.*INJECTED/)
})

test('many readers at once get a blob each, and one copy is made', async (context) => {
  const fixture = await setUp(context)
  const digest = await put(fixture.storage.blobs, large)
  const { blobs } = fixture.cache
  const streams = await Promise.all(
    Array.from({ length: 8 }, () => blobs.open(digest, undefined, signal)),
  )
  const all = Promise.all(streams.map((stream) => buffer(stream!)))
  for (const bytes of await all) assert.ok(bytes.equals(large))
  await isKept(fixture, digest)
  assert.deepEqual(await fixture.unfinished(), [])
})

test('a reader that leaves, leaves nothing behind', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, large)
  const stream = await blobs.open(digest, undefined, signal)
  await once(stream!, 'readable')
  // The reader does not wait for the disk, so the file may come after the first bytes.
  const isThere = async () => ((await fixture.unfinished()).length === 1 ? true : undefined)
  await eventually('an unfinished copy', isThere)
  stream!.destroy()
  const isGone = async () => ((await fixture.unfinished()).length === 0 ? true : undefined)
  await eventually('no unfinished copy', isGone)
  assert.deepEqual(await fixture.kept(), [])
  await keep(fixture, digest)

  const near = await blobs.open(digest, undefined, signal)
  await once(near!, 'readable')
  near!.destroy()
  const unread = await blobs.open(digest, { start: 1, end: 2 * mebibyte }, signal)
  unread!.destroy()
  // A file that is left open is an error when the process finds its handle among the garbage.
  await eventually('closed files', async () => {
    const open = await readdir('/proc/self/fd')
    const paths = await Promise.all(
      open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    )
    return paths.includes(fixture.nearPath(digest)) ? undefined : true
  })
})

test('what was used longest ago goes first, also after a restart', async (context) => {
  const fixture = await setUp(context, { mostBytes: 10 * mebibyte })
  const digests: Digest[] = []
  for (let index = 0; index < 8; index += 1) {
    const digest = await put(fixture.storage.blobs, makeBytes(mebibyte, index))
    digests.push(digest)
    await keep(fixture, digest)
    fixture.time.ms += 120_000
  }
  // Used again, and so the youngest of all.
  await readWhole(fixture.cache.blobs, digests[0]!)
  fixture.time.ms += 120_000
  await fixture.cache.close()
  const next = await fixture.open()
  for (let index = 8; index < 12; index += 1) {
    const digest = await put(fixture.storage.blobs, makeBytes(mebibyte, index))
    digests.push(digest)
    await keep(fixture, digest, next)
    fixture.time.ms += 120_000
  }
  await next.close()
  const kept = await fixture.kept()
  assert.ok(kept.length >= 6 && kept.length <= 10, `${kept.length} files are within the bound`)
  for (const gone of [1, 2]) assert.ok(!kept.includes(digestHex(digests[gone]!)), `${gone} is gone`)
  for (const there of [0, 8, 9, 10, 11])
    assert.ok(kept.includes(digestHex(digests[there]!)), `${there} is there`)
})

test('a directory stays within its bound, whoever writes to it', async (context) => {
  const fixture = await setUp(context, { mostBytes: 8 * mebibyte })
  const caches = [fixture.cache, await fixture.open(), await fixture.open()]
  for (let round = 0; round < 30; round += 1) {
    const digests = await Promise.all(
      caches.map((_, index) => put(fixture.storage.blobs, makeBytes(500_000, round * 3 + index))),
    )
    await Promise.all(caches.map(({ blobs }, index) => readWhole(blobs, digests[index]!)))
  }
  await Promise.all(caches.map((cache) => cache.close()))
  const next = await fixture.open()
  await next.close()
  const kept = await fixture.kept()
  assert.ok(kept.length > 8 && kept.length * 500_000 <= 8 * mebibyte, `${kept.length} files`)
})

test('a directory that somebody has made among the copies keeps none of them', async (context) => {
  const fixture = await setUp(context, { mostBytes: 2 * mebibyte })
  const foreign = join(fixture.nearPath(digestOf(small)), '..', 'lost+found')
  await mkdir(foreign)
  // Older than all copies, so it would go first.
  await utimes(foreign, 0, 0)
  for (let index = 0; index < 20; index += 1)
    await readWhole(
      fixture.cache.blobs,
      await put(fixture.storage.blobs, makeBytes(400_000, index)),
    )
  await fixture.cache.close()
  await (await fixture.open()).close()
  const kept = await fixture.kept()
  assert.ok(kept.includes('lost+found') && kept.length <= 6, `${kept.length} files`)
})

test('what is larger than a quarter of the bound is not kept', async (context) => {
  const fixture = await setUp(context, { mostBytes: 8 * mebibyte })
  const digest = await put(fixture.storage.blobs, large)
  assert.ok((await readWhole(fixture.cache.blobs, digest)).equals(large))
  await fixture.cache.close()
  assert.deepEqual(await fixture.kept(), [])
})

test('stat() is remembered for a minute, absence is not', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  assert.equal(await blobs.stat(digestOf(small), signal), undefined)
  const digest = await put(fixture.storage.blobs, small)
  for (let times = 0; times < 3; times += 1)
    assert.deepEqual(await blobs.stat(digest, signal), { sizeBytes: small.length })
  assert.deepEqual(fixture.calls(), ['stat', 'stat'])
  fixture.time.ms += 59_999
  await blobs.stat(digest, signal)
  assert.deepEqual(fixture.calls(), [])
  fixture.time.ms += 1
  await blobs.stat(digest, signal)
  assert.deepEqual(fixture.calls(), ['stat'])
})

test('stat() is asked anew when the clock was set back', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, small)
  await blobs.stat(digest, signal)
  await fixture.storage.upkeep.removeBlob(digest, signal)
  fixture.time.ms -= 3_600_000
  assert.equal(await blobs.stat(digest, signal), undefined)
})

for (const [what, read] of [
  ['open', (blobs: BlobStore, digest: Digest) => blobs.open(digest, undefined, signal)],
  ['readDocument', (blobs: BlobStore, digest: Digest) => blobs.readDocument(digest, signal)],
] as const)
  test(`stat() is asked anew when ${what} finds nothing`, async (context) => {
    const fixture = await setUp(context)
    const { blobs } = fixture.cache
    const digest = await put(fixture.storage.blobs, small)
    await blobs.stat(digest, signal)
    await fixture.storage.upkeep.removeBlob(digest, signal)
    assert.equal(await read(blobs, digest), undefined)
    assert.equal(await blobs.stat(digest, signal), undefined)
  })

test('a near copy is not served a minute after the far blob was removed', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, small)
  await keep(fixture, digest)
  await fixture.storage.upkeep.removeBlob(digest, signal)
  fixture.time.ms += 60_000
  assert.equal(await blobs.open(digest, undefined, signal), undefined)
  assert.equal(await blobs.readDocument(digest, signal), undefined)
  assert.deepEqual(await fixture.kept(), [])
})

test('removeBlob() and quarantineBlob() are seen at once', async (context) => {
  const fixture = await setUp(context)
  const { blobs, upkeep } = fixture.cache
  for (const take of ['removeBlob', 'quarantineBlob'] as const) {
    const digest = await put(fixture.storage.blobs, small)
    await keep(fixture, digest)
    await upkeep[take](digest, signal)
    assert.equal(await blobs.stat(digest, signal), undefined)
    assert.equal(await blobs.readDocument(digest, signal), undefined)
  }
})

test('recordUse() makes the next stat() a new one, and one that is under way', async (context) => {
  const fixture = await setUp(context)
  const { storage } = fixture
  const recording = Promise.withResolvers<void>()
  const { blobs, upkeep } = await fixture.open({
    ...storage.upkeep,
    recordUse: () => recording.promise,
  })
  const digest = await put(storage.blobs, small)
  await blobs.stat(digest, signal)
  const recorded = upkeep.recordUse(digest, signal)
  // What a collector removes that has not seen the use.
  await storage.upkeep.removeBlob(digest, signal)
  assert.ok(await blobs.stat(digest, signal), 'still remembered')
  recording.resolve()
  await recorded
  assert.equal(await blobs.stat(digest, signal), undefined)

  await put(storage.blobs, small)
  const asked = blobs.stat(digest, signal)
  await upkeep.recordUse(digest, signal)
  await asked
  await storage.upkeep.removeBlob(digest, signal)
  assert.equal(await blobs.stat(digest, signal), undefined)
})

test('recordUse() makes every stat() of the next minute a new one', async (context) => {
  const fixture = await setUp(context)
  const { blobs, upkeep } = fixture.cache
  const digest = await put(fixture.storage.blobs, small)
  await upkeep.recordUse(digest, signal)
  assert.ok(await blobs.stat(digest, signal), 'as others see it before the notices are read')
  await fixture.storage.upkeep.removeBlob(digest, signal)
  assert.equal(await blobs.stat(digest, signal), undefined)

  await put(fixture.storage.blobs, small)
  fixture.time.ms += 60_000
  fixture.calls()
  for (let times = 0; times < 3; times += 1) await blobs.stat(digest, signal)
  assert.deepEqual(fixture.calls(), ['stat'])
})

test('publish() makes the next stat() a new one', async (context) => {
  const fixture = await setUp(context)
  const { blobs } = fixture.cache
  const digest = await put(fixture.storage.blobs, small)
  await truncate(fixture.farPath(digest), 10)
  assert.deepEqual(await blobs.stat(digest, signal), { sizeBytes: 10 })
  await put(blobs, small)
  assert.deepEqual(await blobs.stat(digest, signal), { sizeBytes: small.length })
})

test('nearCache() says when it cannot use its directory', async (context) => {
  const path = join(await temporaryDirectory(context), 'file')
  await writeFile(path, '')
  await assert.rejects(setUp(context, { directory: path }), (error) => {
    assert.ok(error instanceof OperatingError)
    assert.match(error.message, /cannot use the directory .*\/file/)
    return true
  })
})

test('a directory that vanishes fails no read, and is told once', async (context) => {
  const directory = join(await temporaryDirectory(context), 'near')
  const fixture = await setUp(context, { directory })
  const { blobs } = fixture.cache
  // The cache may still look through the directory, and tell at once that it is gone.
  const warned = once(process, 'warning')
  await rm(directory, { recursive: true })
  for (const bytes of [large, small]) {
    const digest = await put(fixture.storage.blobs, bytes)
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
    assert.ok((await readWhole(blobs, digest)).equals(bytes))
  }
  assert.match(String((await warned)[0]), /blobs are not kept in .*\/near for a while/)
})

test(
  'a full disk fails no read, and is used again later',
  { skip: skipUnlessMounting },
  async (context) => {
    const directory = await mountTinyDisk(context, 2048)
    if (directory === undefined) return
    const fixture = await setUp(context, { directory })
    const { blobs } = fixture.cache
    const warnings: string[] = []
    const note = (warning: Error) => warnings.push(warning.message)
    process.on('warning', note)
    context.after(() => process.off('warning', note))
    // So large that their readers wait for the disk, and so for its failure.
    const first = await put(fixture.storage.blobs, makeBytes(8 * mebibyte))
    const second = await put(fixture.storage.blobs, makeBytes(8 * mebibyte, 1))
    for (const digest of [first, second, first])
      assert.equal(digestOf(await readWhole(blobs, digest)), digest)
    fixture.time.ms += 60_000
    assert.equal(digestOf(await readWhole(blobs, first)), first)
    assert.deepEqual(await fixture.kept(), [])
    const isGone = async () => ((await fixture.unfinished()).length === 0 ? true : undefined)
    await eventually('no unfinished copy', isGone)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /ENOSPC/)

    fixture.time.ms += 60_000
    const fitting = await put(fixture.storage.blobs, small)
    await keep(fixture, fitting)
  },
)

test('a near file of the future or of nobody does no harm', async (context) => {
  const fixture = await setUp(context)
  const digest = await put(fixture.storage.blobs, small)
  await keep(fixture, digest)
  const future = new Date(fixture.time.ms + 1e9)
  await utimes(fixture.nearPath(digest), future, future)
  await writeFile(join(fixture.nearPath(digest), '..', 'note'), 'from somebody')
  assert.ok((await readWhole(fixture.cache.blobs, digest)).equals(small))
  const next = await fixture.open()
  assert.ok((await readWhole(next.blobs, digest)).equals(small))
})
