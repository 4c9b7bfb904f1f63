import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { parseStorePath, storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import { digestOf } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Compression, LayerContent } from '#engine/ports/packer.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { measureTree } from '#test/archives/measure-tree.ts'
import { readArchive } from '#test/archives/read-archive.ts'
import { SegmentCache } from './segment-cache.ts'
import { openSegmentDirectory } from './segment-directory.ts'
import { createWorkerPacker } from './worker-packer.ts'

const ever = new AbortController().signal
const fast: Compression = { codec: 'gzip', level: 1 }
const small = storePath('a', 'small-1')
const program = storePath('b', 'program-1')
// Compressed it does not fit into one slot of the ring.
const big = storePath('c', 'big-1')

const decompress = { gzip: gunzipSync, zstd: zstdDecompressSync }

for (const codec of ['gzip', 'zstd'] as const) {
  test(`pack() gives the same ${codec} bytes with and without kept segments`, async (t) => {
    const site = await openSite(t)
    const compression = { codec, level: 1 }
    const fresh = await site.pack([small, big, program], compression, false)
    const empty = await site.pack([program, small], compression)
    const half = await site.pack([small, big, program], compression)
    const full = await site.pack([small, big, program], compression)
    assert.equal(readdirSync(site.keptDirectory).length, 3)
    for (const { bytes, layer } of [half, full]) {
      assert.ok(bytes.equals(fresh.bytes))
      assert.deepEqual(layer, fresh.layer)
    }
    const archive = decompress[codec](empty.bytes)
    assert.equal(digestOf(archive), empty.layer.diffId)
    assert.deepEqual(
      readArchive(archive).map(({ path }) => path),
      ['nix/', 'nix/store/', ...[small, program].map(archivePath)],
    )
  })
}

test('pack() joins a kept segment instead of compressing', async (t) => {
  const site = await openSite(t)
  const fresh = await site.pack([small], fast)
  const [name] = readdirSync(site.keptDirectory)
  const smaller = await site.pack([small], { codec: 'gzip', level: 9 })
  const other = readdirSync(site.keptDirectory).find((found) => found !== name)
  assert.ok(smaller.bytes.length < fresh.bytes.length)
  // A right segment with other bytes tells whether it was used.
  copyFileSync(join(site.keptDirectory, other!), join(site.keptDirectory, name!))
  const joined = await site.pack([small], fast)
  assert.ok(joined.bytes.length < fresh.bytes.length)
  assert.equal(digestOf(gunzipSync(joined.bytes)), fresh.layer.diffId)
})

const damages: ReadonlyArray<readonly [name: string, damage: (file: string) => void]> = [
  ['an empty file', (file) => truncateSync(file, 0)],
  ['one without its end', (file) => truncateSync(file, statSync(file).size - 1)],
  ['one with a wrong first byte', (file) => flip(file, 0)],
  ['one with a wrong byte far behind', (file) => flip(file, statSync(file).size - 100)],
  ['one with a wrong footer', (file) => flip(file, statSync(file).size - 10)],
  ['one that is something else', (file) => writeFileSync(file, randomBytes(500))],
]
for (const path of [small, big]) {
  test(`pack() compresses ${path.slice(44)} again when its segment is damaged`, async (t) => {
    const site = await openSite(t)
    const before = await site.pack([path], fast)
    const [kept] = readdirSync(site.keptDirectory)
    const file = join(site.keptDirectory, kept!)
    const right = readFileSync(file)
    for (const [name, damage] of damages) {
      damage(file)
      const after = await site.pack([path], fast)
      assert.ok(after.bytes.equals(before.bytes), name)
      assert.ok(readFileSync(file).equals(right), `${name}: the right one is kept`)
    }
  })
}

test('pack() uses no segment of another store path', async (t) => {
  const site = await openSite(t)
  const before = await site.pack([small], fast)
  const [name] = readdirSync(site.keptDirectory)
  await site.pack([program], fast)
  const alien = readdirSync(site.keptDirectory).find((found) => found !== name)
  copyFileSync(join(site.keptDirectory, alien!), join(site.keptDirectory, name!))
  assert.ok((await site.pack([small], fast)).bytes.equals(before.bytes))
})

test('pack() uses no segment of a path that was built again with other contents', async (t) => {
  const site = await openSite(t)
  await site.pack([small], fast)
  const contents = Buffer.alloc(20_000, 'other text ')
  site.write(small, contents)
  const { bytes, layer } = await site.pack([small], fast)
  const archive = gunzipSync(bytes)
  assert.equal(layer.diffId, digestOf(archive))
  assert.ok(readArchive(archive).at(-1)!.contents.equals(contents))
})

test('pack() does without segments when they cannot be written', async (t) => {
  const site = await openSite(t)
  rmSync(join(site.directory, 'unfinished'), { recursive: true })
  rmSync(site.keptDirectory, { recursive: true })
  writeFileSync(join(site.directory, 'unfinished'), '')
  writeFileSync(site.keptDirectory, '')
  const fresh = await site.pack([small, program], fast, false)
  const { bytes } = await site.pack([small, program], fast)
  assert.ok(bytes.equals(fresh.bytes))
})

test('pack() keeps no segment of a layer that was given up', async (t) => {
  const site = await openSite(t)
  const hangUp = new AbortController()
  const packing = site.packer.pack(
    site.contentOf([big]),
    fast,
    async () => hangUp.abort(new Error('hung up')),
    hangUp.signal,
  )
  await assert.rejects(packing, /hung up/)
  site.write(program, Buffer.from('shorter than Nix says'))
  const content = { kind: 'store-paths', paths: [{ path: program, narSizeBytes: 1 }] } as const
  await assert.rejects(
    site.packer.pack(content, fast, async () => {}, ever),
    /is damaged/,
  )
  await site.pack([small], fast)
  // Nobody waits for the thread of the first layer, and another one may have made the last.
  await eventually('nothing unfinished', () => site.unfinishedNames().length === 0 || undefined)
  assert.equal(readdirSync(site.keptDirectory).length, 1, 'the small one')
})

test('SegmentCache keeps segments after a thread has left one unfinished', async (t) => {
  const { segments } = await openSite(t)
  const kept: number[] = []
  const [crashed, next] = ['crashed', 'next'].map(
    (ring) => new SegmentCache(segments.share(ring), (sizeBytes) => kept.push(sizeBytes)),
  )
  const name = next!.nameOf(small, fast)
  crashed!.begin(name)!.write(Buffer.from('half'))
  const copy = next!.begin(name)!
  copy.write(Buffer.from('whole'))
  copy.keep({ sizeBytes: 10, crc: 7 })
  using found = next!.find(name)
  assert.deepEqual(found?.segment, { sizeBytes: 10, crc: 7 })
  assert.equal(found.compressed.sizeBytes, 5)
  assert.equal(kept.length, 1)
})

test('pack() leaves nothing unfinished when a thread crashes', async (t) => {
  const site = await openSite(t)
  const entry = new URL('compressor-entry.ts', import.meta.url)
  const program = join(site.directory, 'crashing.mjs')
  // The ring has four slots: when seven blocks are done, two of the big path are in its file.
  writeFileSync(
    program,
    `const { notify } = Atomics
    let blocks = 0
    Atomics.notify = (...cell) => (++blocks === 7 ? process.exit(1) : notify(...cell))
    await import(${JSON.stringify(entry)})`,
  )
  const { segments, storeDirectory } = site
  const programs = { compressor: pathToFileURL(program) }
  const packer = createWorkerPacker({ threads: 1, storeDirectory, segments, programs })
  const content = site.contentOf([big])
  await assert.rejects(
    packer.pack(content, fast, async () => {}, ever),
    (error) => error instanceof OperatingError && error.code === 'PACK_FAILED',
  )
  await packer.close()
  assert.deepEqual(site.unfinishedNames(), [])
})

test('prepare() compresses a path for the layers to come', async (t) => {
  const site = await openSite(t)
  const fresh = await site.pack([small, big], fast, false)
  const [measured] = site.contentOf([big]).paths
  await site.packer.prepare(measured!, fast, ever)
  assert.equal(readdirSync(site.keptDirectory).length, 1)
  const file = join(site.keptDirectory, readdirSync(site.keptDirectory)[0]!)
  const { ino } = statSync(file)
  // At the same time, and once more when it is there.
  const [layer] = await Promise.all([
    site.pack([small, big], fast),
    site.packer.prepare(measured!, fast, ever),
  ])
  assert.ok(layer.bytes.equals(fresh.bytes))
  assert.equal(statSync(file).ino, ino, 'it is not made again')
})

test('pack() waits for a path that is just being prepared instead of compressing it, too', async (t) => {
  const site = await openSite(t)
  await site.pack([small, program], fast)
  const added = t.mock.method(site.segments, 'added')
  const [measured] = site.contentOf([big]).paths
  await Promise.all([site.packer.prepare(measured!, fast, ever), site.pack([big], fast)])
  assert.equal(added.mock.callCount(), 1)
})

test('prepare() rejects as pack() does', async (t) => {
  const site = await openSite(t)
  const missing = storePath('d', 'missing-1')
  await assert.rejects(
    site.packer.prepare({ path: missing, narSizeBytes: 1 }, fast, ever),
    (error) => error instanceof OperatingError && error.code === 'PACK_FAILED',
  )
  const [measured] = site.contentOf([big]).paths
  const hangUp = new AbortController()
  const preparing = site.packer.prepare(measured!, fast, hangUp.signal)
  hangUp.abort(new Error('hung up'))
  await assert.rejects(preparing, /hung up/)
})

test('openSegmentDirectory() keeps the segments that were used last within its bound', async (t) => {
  const mostBytes = 200_000
  const site = await openSite(t, mostBytes)
  const paths = Array.from({ length: 30 }, (_, index) => {
    const path = storePath('f', `random-${index}`)
    site.write(path, randomBytes(20_000))
    return path
  })
  for (const path of paths) await site.pack([path], fast)
  await site.close()
  const keptBytes = readdirSync(site.keptDirectory).reduce(
    (sum, name) => sum + statSync(join(site.keptDirectory, name)).size,
    0,
  )
  assert.ok(keptBytes > 0 && keptBytes <= mostBytes * (1 + 1 / 4), `${keptBytes}`)
})

/** A store and a directory of segments, with a packer that uses both. */
async function openSite(t: TestContext, mostBytes = 100 * 2 ** 20) {
  const top = mkdtempSync(join(tmpdir(), 'segments-'))
  const storeDirectory = join(top, 'store')
  const directory = join(top, 'segments')
  mkdirSync(storeDirectory)
  const segments = await openSegmentDirectory({ directory, mostBytes })
  const packer = createWorkerPacker({ threads: 2, storeDirectory, segments })
  const plain = createWorkerPacker({ threads: 2, storeDirectory })
  const endThreads = () => Promise.all([packer.close(), plain.close()])
  const close = async () => {
    await endThreads()
    await segments.close()
  }
  t.after(async () => {
    // They may still write for a layer that was given up.
    await endThreads()
    rmSync(top, { recursive: true })
    await segments.close()
  })
  const fileOf = (path: StorePath) => join(storeDirectory, storePathBaseName(path))
  const contentOf = (paths: readonly StorePath[]) => ({
    kind: 'store-paths' as const,
    paths: paths.map((path) => ({ path, narSizeBytes: measureTree(fileOf(path)) })),
  })
  const write = (path: StorePath, contents: Buffer) => writeFileSync(fileOf(path), contents)
  write(small, Buffer.alloc(20_000, 'some text that is not random '))
  write(program, Buffer.from('#!/bin/sh\n'))
  write(big, Buffer.concat([randomBytes(7_000_000), Buffer.alloc(2_000_000, 'abc')]))
  return {
    packer,
    segments,
    storeDirectory,
    directory,
    keptDirectory: join(directory, 'kept'),
    unfinishedNames: () =>
      readdirSync(join(directory, 'unfinished'))
        .flatMap((owner) => readdirSync(join(directory, 'unfinished', owner)))
        .filter((name) => !name.startsWith('.')),
    contentOf,
    write,
    close,
    async pack(paths: readonly StorePath[], compression: Compression, keeping = true) {
      const chunks: Uint8Array[] = []
      const add = async (chunk: Uint8Array) => void chunks.push(Uint8Array.from(chunk))
      const content: LayerContent = contentOf(paths)
      const layer = await (keeping ? packer : plain).pack(content, compression, add, ever)
      return { bytes: Buffer.concat(chunks), layer }
    },
  }
}

function flip(file: string, position: number): void {
  const bytes = readFileSync(file)
  bytes[position]! ^= 1
  writeFileSync(file, bytes)
}

function archivePath(path: StorePath): string {
  return `nix/store/${storePathBaseName(path)}`
}

function storePath(letter: string, name: string): StorePath {
  return parseStorePath(`/nix/store/${letter.repeat(32)}-${name}`)!
}
