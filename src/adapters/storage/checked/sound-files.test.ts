import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { digestHex, digestOf, type Digest } from '#core/oci/digest.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { openFilesystemStorage } from '../filesystem/filesystem-storage.ts'
import { checkBlobs } from './check-blobs.ts'

const signal = new AbortController().signal
const bytes = Buffer.alloc(300_000, 'sound ')
const digest = digestOf(bytes)

/** A storage with one blob, old enough to be known by its times, and the files of it that are open. */
async function setUp(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'nixery-sound-'))
  const storage = await openFilesystemStorage(root)
  context.after(async () => {
    await storage.close()
    await rm(root, { recursive: true, force: true })
  })
  const { openFile } = storage.blobs
  assert.ok(openFile, 'the tests run on a file system of this machine')
  const path = join(root, 'layers', digestHex(digest))
  const time = { nowMs: 0 }
  const clock = createManualClock()
  let open = 0
  /** The kernel's clock ticks on by itself, which nobody can wait for: tests say that it has. */
  const settled = async (of: Digest): Promise<BlobFile | undefined> => {
    const file = await openFile(of, signal)
    if (file === undefined) return undefined
    open += 1
    return {
      sizeBytes: file.sizeBytes,
      identity: file.identity,
      isSettled: true,
      isUnchanged: () => file.isUnchanged(),
      read: (into, position) => file.read(into, position),
      async close() {
        open -= 1
        await file.close()
      },
    }
  }
  const blobs = checkBlobs(
    { ...storage, blobs: { ...storage.blobs, openFile: settled } },
    { observe: () => {} },
    { clock, nowMs: () => time.nowMs },
  )
  await writeFile(path, bytes)
  await utimes(path, 1, 1)
  return {
    blobs,
    path,
    openCount: () => open,
    pass: (ms: number) => {
      time.nowMs += ms
      clock.advance(ms)
    },
    sound: async () => blobs.openSound?.(digest),
    readAll: async () => buffer((await blobs.open(digest, undefined, signal))!),
  }
}

async function readFileOf(file: BlobFile): Promise<Buffer> {
  const all = Buffer.alloc(file.sizeBytes)
  let filled = 0
  while (filled < all.length) {
    const readBytes = await file.read(all.subarray(filled), filled)
    assert.notEqual(readBytes, 0)
    filled += readBytes
  }
  assert.equal(await file.read(Buffer.alloc(1), file.sizeBytes), 0)
  return all
}

test('openSound() gives a blob that was read whole and right, and no other', async (context) => {
  const { blobs, sound, readAll } = await setUp(context)
  assert.equal(await sound(), undefined)
  await buffer((await blobs.open(digest, { start: 0, end: 9 }, signal))!)
  assert.equal(await sound(), undefined, 'a part tells nothing')
  await readAll()
  const file = await sound()
  assert.ok(file)
  assert.ok((await readFileOf(file)).equals(bytes))
  assert.ok(file.isUnchanged())
  await file.close()
})

test('openSound() knows a blob that was asked for as a range of all bytes', async (context) => {
  const { blobs, sound } = await setUp(context)
  await buffer((await blobs.open(digest, { start: 0, end: bytes.length - 1 }, signal))!)
  const file = await sound()
  assert.ok(file)
  await file.close()
})

test('openSound() does not know a blob whose reader left', async (context) => {
  const { blobs, sound } = await setUp(context)
  for await (const _chunk of (await blobs.open(digest, undefined, signal))!) break
  assert.equal(await sound(), undefined)
})

const changes: ReadonlyArray<readonly [what: string, change: (path: string) => Promise<void>]> = [
  [
    'a byte was flipped in place',
    async (path) => {
      const changed = await readFile(path)
      changed[5]! ^= 1
      await writeFile(path, changed)
    },
  ],
  ['it was cut short', (path) => truncate(path, 1000)],
  ['it was removed', (path) => rm(path)],
  ['it was moved away', (path) => rename(path, `${path}-elsewhere`)],
  [
    'another file took its place',
    async (path) => {
      await writeFile(`${path}-other`, Buffer.alloc(bytes.length, 'other'))
      await rename(`${path}-other`, path)
    },
  ],
]
for (const [what, change] of changes)
  for (const isHeld of [true, false])
    test(`openSound() forgets a blob when ${what}, ${isHeld ? 'open' : 'closed'}`, async (context) => {
      const { path, sound, readAll, pass, openCount } = await setUp(context)
      await readAll()
      const file = await sound()
      assert.ok(file)
      await file.close()
      if (!isHeld) pass(2000)
      assert.equal(openCount(), isHeld ? 1 : 0)
      await change(path)
      assert.equal(await sound(), undefined)
      assert.equal(openCount(), 0)
    })

test('a reader learns that the blob was changed while it read', async (context) => {
  const { path, sound, readAll } = await setUp(context)
  await readAll()
  const file = await sound()
  assert.ok(file)
  await writeFile(path, 'x', { flag: 'a' })
  assert.equal(file.isUnchanged(), false)
  await file.close()
})

test('openSound() has everything compared again after an hour', async (context) => {
  const { sound, readAll, pass } = await setUp(context)
  await readAll()
  pass(3_599_999)
  await (await sound())?.close()
  pass(1)
  assert.equal(await sound(), undefined)
  await readAll()
  const file = await sound()
  assert.ok(file)
  await file.close()
})

test('many readers share one open file, which is closed soon after the last one', async (context) => {
  const { sound, readAll, pass, openCount } = await setUp(context)
  await readAll()
  const files = await Promise.all(Array.from({ length: 10 }, sound))
  assert.equal(openCount(), 1)
  for (const file of files) await file?.close()
  // Closing twice must not count for another reader.
  const last = await sound()
  await files[0]?.close()
  pass(2000)
  assert.equal(openCount(), 1)
  assert.ok((await readFileOf(last!)).equals(bytes))
  await last?.close()
  pass(1999)
  assert.equal(openCount(), 1)
  pass(1)
  assert.equal(openCount(), 0)
})
