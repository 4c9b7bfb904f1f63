import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  assert as assertProperty,
  asyncProperty,
  constant,
  constantFrom,
  nat,
  oneof,
  record,
  stringMatching,
  uniqueArray,
} from 'fast-check'
import { parseStorePath, storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import { digestOf } from '#core/oci/digest.ts'
import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import type { Compression, LayerContent, PackedLayer, Packer } from '#engine/ports/packer.ts'
import { measureTree } from '#test/archives/measure-tree.ts'
import { readArchive } from '#test/archives/read-archive.ts'
import { createWorkerPacker, type WorkerPackerOptions } from './worker-packer.ts'

const decompress = { gzip: gunzipSync, zstd: zstdDecompressSync }
const ever = new AbortController().signal
const directory = mkdtempSync(join(tmpdir(), 'packing-'))
const storeDirectory = join(directory, 'store')
after(() => rmSync(directory, { recursive: true }))

const tree = storePath('a', 'tree-1')
const program = storePath('b', 'program-1')
const bigFile = storePath('c', 'big-1')
const bigContents = Buffer.concat([randomBytes(2_500_000), Buffer.alloc(3_000_000, 'abc')])
const longName = 'n'.repeat(200)

writeTree()

test('pack() writes the trees of store paths in byte order, with the modes of a store', async (t) => {
  const { bytes } = await packAll(newPacker(t), storePaths(program, tree))
  const entries = readArchive(gunzipSync(bytes))
  const base = `nix/store/${storePathBaseName(tree)}`
  assert.deepEqual(
    entries.map(({ type, path, mode, target }) => [type, path, mode.toString(8), target]),
    [
      ['5', 'nix/', '755', ''],
      ['5', 'nix/store/', '755', ''],
      ['5', `${base}/`, '555', ''],
      ['5', `${base}/a/`, '555', ''],
      ['0', `${base}/a-b`, '444', ''],
      ['0', `${base}/a/x`, '444', ''],
      ['2', `${base}/dangling`, '777', '/nowhere'],
      ['5', `${base}/empty/`, '555', ''],
      ['0', `${base}/hard-link`, '444', ''],
      ['2', `${base}/link`, '777', `../${longName}`],
      ['5', `${base}/${longName}/`, '555', ''],
      ['0', `${base}/${longName}/${longName}`, '555', ''],
      ['0', `${base}/\xff\xe9`, '444', ''],
      ['0', `nix/store/${storePathBaseName(program)}`, '555', ''],
    ],
  )
  assert.ok(entries.every((entry) => entry.owner === '0:0' && entry.modificationTime === 1))
  const contents = new Map(entries.map((entry) => [entry.path, entry.contents.toString()]))
  assert.equal(contents.get(`${base}/a/x`), 'x')
  assert.equal(contents.get(`${base}/hard-link`), 'x')
  assert.equal(contents.get(`nix/store/${storePathBaseName(program)}`), '#!/bin/sh\n')
})

test('pack() names both digests and sizes', async (t) => {
  const { bytes, layer } = await packAll(newPacker(t), storePaths(bigFile, tree))
  const archive = gunzipSync(bytes)
  assert.deepEqual(layer, {
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
    diffId: digestOf(archive),
    archiveSizeBytes: archive.length,
  })
})

test('pack() reads files that are bigger than a block', async (t) => {
  const { bytes } = await packAll(newPacker(t), storePaths(bigFile))
  const [big] = readArchive(gunzipSync(bytes)).slice(-1)
  assert.ok(big?.contents.equals(bigContents))
})

test('pack() writes entries that are held in memory', async (t) => {
  const contents = Buffer.from('root:x:0:0::/root:/bin/sh\n')
  const { bytes } = await packAll(newPacker(t), {
    kind: 'entries',
    entries: [
      { kind: 'directory', path: 'etc', mode: 0o755 },
      { kind: 'file', path: 'etc/passwd', mode: 0o644, contents },
      { kind: 'symlink', path: 'sh', target: '/bin/bash' },
    ],
  })
  assert.deepEqual(
    readArchive(gunzipSync(bytes)).map((entry) => [
      entry.type,
      entry.path,
      entry.mode,
      entry.target || entry.contents.toString(),
    ]),
    [
      ['5', 'etc/', 0o755, ''],
      ['0', 'etc/passwd', 0o644, contents.toString()],
      ['2', 'sh', 0o777, '/bin/bash'],
    ],
  )
})

for (const compression of [gzip(), zstd()]) {
  const { codec } = compression
  test(`pack() gives the same ${codec} bytes on 1, 2 and 4 threads, whatever the order`, async (t) => {
    const contents = [storePaths(tree, bigFile, program), storePaths(program, bigFile, tree)]
    const packs = [1, 2, 4].flatMap((threads) => {
      const packer = newPacker(t, { threads })
      return contents.map((content) => packAll(packer, content, { compression }))
    })
    const [first, ...others] = (await Promise.all(packs)).map(({ bytes }) => bytes)
    for (const other of others) assert.ok(other.equals(first!))
  })
}

test('pack() makes zstd frames of at most 4 MiB, which end where store paths end', async (t) => {
  const options = { compression: zstd() }
  const { bytes, layer } = await packAll(newPacker(t), storePaths(bigFile, tree), options)
  const archive = zstdDecompressSync(bytes)
  assert.equal(layer.diffId, digestOf(archive))
  const treeBytes = archive.indexOf(Buffer.from(`nix/store/${storePathBaseName(bigFile)}\0`)) - 1024
  const bigBytes = archive.length - treeBytes - 2 * 1024
  const most = 4 * 1024 * 1024
  assert.deepEqual(frameSizes(bytes), [1024, treeBytes, most, bigBytes - most, 1024])
})

test('pack() gives one archive, whatever the codec', async (t) => {
  const packer = newPacker(t)
  const content = storePaths(bigFile, tree, program)
  const layers = [gzip(), { codec: 'gzip', level: 1 } as const, zstd()].map((compression) =>
    packAll(packer, content, { compression }),
  )
  const [first, ...others] = (await Promise.all(layers)).map(({ layer }) => layer)
  for (const { diffId, archiveSizeBytes } of others) {
    assert.equal(diffId, first!.diffId)
    assert.equal(archiveSizeBytes, first!.archiveSizeBytes)
  }
})

test('pack() gives an archive that holds what the tree holds, for random trees', async (t) => {
  const packer = newPacker(t)
  const name = stringMatching(/^[a-zA-Z0-9.+_-]{1,150}$/).filter((text) => !/^\.+$/.test(text))
  const entry = oneof(
    record({ kind: constant('file' as const), name, sizeBytes: oneof(nat(600), nat(1_500_000)) }),
    record({ kind: constant('link' as const), name, target: stringMatching(/^[a-z/]{1,150}$/) }),
    record({
      kind: constant('directory' as const),
      name,
      inner: uniqueArray(name, { maxLength: 3 }),
    }),
  )
  const entries = uniqueArray(entry, { maxLength: 6, selector: (one) => one.name })
  const path = storePath('h', 'random-1')
  const top = join(storeDirectory, storePathBaseName(path))
  const trees = asyncProperty(entries, constantFrom(gzip(), zstd()), async (all, compression) => {
    rmSync(top, { recursive: true, force: true })
    mkdirSync(top)
    for (const one of all) writeEntry(join(top, one.name), one)
    const { bytes, layer } = await packAll(packer, storePaths(path), { compression })
    const archive = decompress[compression.codec](bytes)
    assert.deepEqual(layer, {
      digest: digestOf(bytes),
      sizeBytes: bytes.length,
      diffId: digestOf(archive),
      archiveSizeBytes: archive.length,
    })
    const base = `nix/store/${storePathBaseName(path)}`
    const read = readArchive(archive).slice(3)
    const found = read.map(({ path: name, contents, target }) => [
      name.slice(base.length + 1),
      target || digestOf(contents),
    ])
    assert.deepEqual(found, all.flatMap(describeEntry).toSorted(byPath))
  })
  await assertProperty(trees, { numRuns: 25 })
  rmSync(top, { recursive: true })
})

type RandomEntry = { readonly name: string } & (
  | { readonly kind: 'file'; readonly sizeBytes: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'directory'; readonly inner: readonly string[] }
)

function writeEntry(path: string, entry: RandomEntry): void {
  if (entry.kind === 'link') return symlinkSync(entry.target, path)
  if (entry.kind === 'file') return writeFileSync(path, contentsOf(entry.sizeBytes))
  mkdirSync(path)
  for (const name of entry.inner) writeFileSync(join(path, name), name)
}

/** Half of it repeats itself. */
function contentsOf(sizeBytes: number): Buffer {
  const random = createHash('shake256', { outputLength: 1 + Math.floor(sizeBytes / 2) })
  return Buffer.concat([random.update(String(sizeBytes)).digest(), Buffer.alloc(sizeBytes, 'abc')])
}

/** Path and target or digest, as they stand in the archive. */
function describeEntry(entry: RandomEntry): [string, string][] {
  const { name } = entry
  if (entry.kind === 'link') return [[name, entry.target]]
  if (entry.kind === 'file') return [[name, digestOf(contentsOf(entry.sizeBytes))]]
  const inner = entry.inner.map((file): [string, string] => [`${name}/${file}`, digestOf(file)])
  return [[`${name}/`, digestOf('')], ...inner]
}

function byPath([one]: [string, string], [other]: [string, string]): number {
  const plain = (path: string) => path.replace(/\/$/, '')
  return plain(one) < plain(other) ? -1 : 1
}

/** Of the contents of each frame; the headers that are written here say them (RFC 8878, 3.1.1). */
function frameSizes(bytes: Buffer): number[] {
  const sizes: number[] = []
  for (let offset = 0; offset < bytes.length;) {
    assert.equal(bytes.readUInt32LE(offset), 0xfd2fb528)
    const descriptor = bytes[offset + 4]!
    const isSingleSegment = (descriptor & 0b100000) !== 0
    assert.equal(descriptor & 0b111, 0, 'neither checksum nor dictionary')
    const at = offset + (isSingleSegment ? 5 : 6)
    const sizeWidth = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!
    assert.ok(sizeWidth > 0 && sizeWidth < 8)
    sizes.push(bytes.readUIntLE(at, sizeWidth) + (sizeWidth === 2 ? 256 : 0))
    offset = at + sizeWidth
    for (let isLast = false; !isLast;) {
      const header = bytes.readUIntLE(offset, 3)
      isLast = (header & 1) === 1
      const isRepeatedByte = ((header >> 1) & 3) === 1
      offset += 3 + (isRepeatedByte ? 1 : header >> 3)
    }
  }
  return sizes
}

test('pack() makes one gzip member without a time', async (t) => {
  const { bytes } = await packAll(newPacker(t), storePaths(bigFile))
  assert.deepEqual([...bytes.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])

  const whole = new DecompressionStream('gzip')
  const writer = whole.writable.getWriter()
  const written = writer.write(new Uint8Array(bytes)).then(() => writer.close())
  // A second member would be an error here: the web's stream reads exactly one.
  const archive = Buffer.from(await new Response(whole.readable).arrayBuffer())
  await written
  assert.ok(archive.equals(gunzipSync(bytes)))
})

test('pack() is read by GNU gzip and GNU tar', async (t) => {
  const { bytes } = await packAll(newPacker(t), storePaths(tree, bigFile))
  assert.equal(spawnSync('gzip', ['--test', '--verbose'], { input: bytes }).status, 0)
  const target = mkdtempSync(join(directory, 'extracted-'))
  const extracted = spawnSync('tar', ['-xzf', '-', '-C', target], { input: bytes })
  assert.equal(extracted.stderr.toString(), '')
  const compared = spawnSync('diff', [
    '--recursive',
    '--no-dereference',
    `${target}/nix/store`,
    storeDirectory,
  ])
  assert.equal(
    compared.stdout.toString(),
    `Only in ${storeDirectory}: ${storePathBaseName(program)}\n`,
  )
})

const hasPython = spawnSync('python3', ['--version']).status === 0
const noPython = hasPython ? false : 'python3 is not installed'
test('pack() is read by Python as a stream', { skip: noPython }, async (t) => {
  const { bytes } = await packAll(newPacker(t), storePaths(tree, bigFile))
  const script = `
import sys, tarfile
archive = tarfile.open(fileobj=sys.stdin.buffer, mode='r|gz')
print(sum(len(archive.extractfile(entry).read()) for entry in archive if entry.isfile()))`
  const python = spawnSync('python3', ['-c', script], { input: bytes, encoding: 'utf8' })
  assert.equal(python.stderr, '')
  const files = readArchive(gunzipSync(bytes)).reduce((sum, entry) => sum + entry.sizeBytes, 0)
  assert.equal(python.stdout.trim(), String(files))
})

test('pack() refuses a store path that is not there', async (t) => {
  const missing = storePath('d', 'missing-1')
  await assertFails(packAll(newPacker(t), storePaths(missing)), 'PACK_FAILED', /d-missing-1/)
})

test('pack() refuses a store path that is not what the database of Nix says', async (t) => {
  const emptied = storePath('g', 'emptied-1')
  const path = join(storeDirectory, storePathBaseName(emptied))
  writeFileSync(path, 'what a power cut took')
  t.after(() => rmSync(path))
  const content = storePaths(emptied)
  await packAll(newPacker(t), content)
  writeFileSync(path, '')
  await assertFails(packAll(newPacker(t), content), 'PACK_FAILED', /emptied-1 is damaged/)
})

test('pack() refuses a named pipe, without waiting for its writer', async (t) => {
  const pipe = storePath('f', 'pipe-1')
  assert.equal(spawnSync('mkfifo', [join(storeDirectory, storePathBaseName(pipe))]).status, 0)
  t.after(() => rmSync(join(storeDirectory, storePathBaseName(pipe))))
  await assertFails(packAll(newPacker(t), storePaths(pipe)), 'PACK_FAILED', /pipe-1 is neither/)
})

test('pack() passes on what write() rejects with, writes nothing more and can go on', async (t) => {
  const packer = newPacker(t, { threads: 1 })
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  let calls = 0
  const write = async () => {
    calls += 1
    throw full
  }
  await assert.rejects(packer.pack(storePaths(bigFile), gzip(), write, ever), full)
  await packAll(packer, storePaths(tree))
  assert.equal(calls, 1)
})

for (const [does, work] of [
  ['has threads', 'packer.warmUp()'],
  ['has packed a layer', `await packer.pack(content, compression, async () => {}, signal)`],
] as const) {
  test(`createWorkerPacker() lets a process end that ${does}`, () => {
    const program = join(directory, 'ending.mjs')
    writeFileSync(
      program,
      `import { createWorkerPacker } from ${JSON.stringify(new URL('worker-packer.ts', import.meta.url))}
      const packer = createWorkerPacker({ threads: 2 })
      const content = { kind: 'entries', entries: [] }
      const compression = { codec: 'gzip', level: 1 }
      const { signal } = new AbortController()
      ${work}
      process.on('exit', () => console.log('ended'))`,
    )
    // Within the time that threads take to start on a machine that is busy.
    const ended = spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 30_000 })
    assert.equal(ended.stdout, 'ended\n', ended.stderr)
  })
}

for (const end of ['crashes', 'fails'] as const) {
  test(`pack() writes nothing more once its coordinator ${end}, however slow write() is`, async (t) => {
    const order = new BroadcastChannel(randomUUID())
    t.after(() => order.close())
    const packer = newPacker(t, { programs: { coordinator: endingProgram(end, order.name) } })
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
    let calls = 0
    const write = () => {
      calls += 1
      // Earlier, a crash could take the chunks along that are on their way.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, a channel
      order.postMessage('end')
      return until
    }
    await assert.rejects(packer.pack(storePaths(tree), gzip(), write, ever), OperatingError)
    goOn()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(calls, 1)
  })
}

test('pack() waits for write() before it hands over the next chunk', async (t) => {
  let running = 0
  const write = async () => {
    running += 1
    assert.equal(running, 1)
    await new Promise((resolve) => setImmediate(resolve))
    running -= 1
  }
  await newPacker(t).pack(storePaths(bigFile), gzip(), write, ever)
})

test('pack() takes the memory of a chunk back once it is written', async (t) => {
  const chunks: Uint8Array[] = []
  const lent: number[] = []
  const write = async (chunk: Uint8Array) => {
    chunks.push(chunk)
    lent.push(chunk.length)
  }
  const { sizeBytes } = await newPacker(t).pack(storePaths(bigFile), gzip(), write, ever)
  assert.equal(
    lent.reduce((sum, bytes) => sum + bytes, 0),
    sizeBytes,
  )
  assert.deepEqual(
    chunks.map(({ length }) => length),
    lent.map(() => 0),
  )
})

test('pack() ends with the reason of the signal, while its write() still hangs', async (t) => {
  const packer = newPacker(t, { threads: 1 })
  const stop = new AbortController()
  const hanging = Promise.withResolvers<void>()
  const write = () => {
    stop.abort(new Error('hung up'))
    return hanging.promise
  }
  await assert.rejects(packer.pack(storePaths(bigFile), gzip(), write, stop.signal), /hung up/)
  await packAll(packer, storePaths(tree))
  hanging.resolve()
})

test('pack() leaves the queue when its signal is aborted', async (t) => {
  const packer = newPacker(t, { threads: 1 })
  const stop = new AbortController()
  const first = packAll(packer, storePaths(bigFile))
  const second = packAll(packer, storePaths(tree), { signal: stop.signal })
  const third = packAll(packer, storePaths(tree))
  stop.abort(new Error('hung up'))
  await assert.rejects(second, /hung up/)
  await Promise.all([first, third])
})

for (const thread of ['coordinator', 'compressor'] as const) {
  test(`pack() rejects what is under way when the ${thread} crashes, and can go on`, async (t) => {
    const programs = { [thread]: crashingProgram(thread) }
    const packer = newPacker(t, { threads: 1, programs })
    const crash = join(directory, 'crash')
    writeFileSync(crash, '')
    const layers = [packAll(packer, storePaths(bigFile)), packAll(packer, storePaths(tree))]
    await Promise.all(layers.map((layer) => assertFails(layer, 'PACK_FAILED', /crashed/)))
    rmSync(crash)
    await packAll(packer, storePaths(tree))
  })
}

/** Ends in the middle of its work while there is a certain file. */
function crashingProgram(thread: 'coordinator' | 'compressor'): URL {
  const path = join(directory, `crashing-${thread}.mjs`)
  const entry = new URL(`${thread}-entry.ts`, import.meta.url)
  const crash = JSON.stringify(join(directory, 'crash'))
  writeFileSync(
    path,
    `import { existsSync } from 'node:fs'
    const { notify } = Atomics
    // Both threads tell of what they have done in this way.
    Atomics.notify = (...cell) => {
      if (existsSync(${crash})) process.exit(1)
      return notify(...cell)
    }
    await import(${JSON.stringify(entry)})`,
  )
  return pathToFileURL(path)
}

/** Sends two chunks of a job before it ends. */
function endingProgram(end: 'crashes' | 'fails', order: string): URL {
  const program = `
    import { parentPort } from 'node:worker_threads'
    const order = new BroadcastChannel('${order}')
    parentPort.on('message', ({ id }) => {
      order.onmessage = () => {
        if (${end === 'crashes'}) process.exit()
        parentPort.postMessage({ id, kind: 'failed', code: 'PACK_FAILED', message: 'x' })
      }
      for (const bytes of [new Uint8Array(1), new Uint8Array(1)])
        parentPort.postMessage({ id, kind: 'chunk', bytes, archivedBytes: 1 })
    })`
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`)
}

test('close() rejects what is under way and what comes later', async () => {
  const packer = createWorkerPacker({ threads: 1, storeDirectory })
  const running = packAll(packer, storePaths(bigFile))
  const waiting = packAll(packer, storePaths(tree))
  const closed = packer.close()
  await Promise.all([
    assertFails(running, 'SHUTTING_DOWN', /stops/),
    assertFails(waiting, 'SHUTTING_DOWN', /stops/),
  ])
  await closed
  await assertFails(packAll(packer, storePaths(tree)), 'SHUTTING_DOWN', /stops/)
})

function newPacker(t: TestContext, options: Partial<WorkerPackerOptions> = {}): Packer {
  const packer = createWorkerPacker({ threads: 2, storeDirectory, ...options })
  t.after(() => packer.close())
  return packer
}

async function packAll(
  packer: Packer,
  content: LayerContent,
  { signal = ever, compression = gzip() }: { signal?: AbortSignal; compression?: Compression } = {},
): Promise<{ bytes: Buffer; layer: PackedLayer }> {
  const chunks: Uint8Array[] = []
  const write = async (chunk: Uint8Array) => void chunks.push(Uint8Array.from(chunk))
  const layer = await packer.pack(content, compression, write, signal)
  return { bytes: Buffer.concat(chunks), layer }
}

async function assertFails(
  promise: Promise<unknown>,
  code: OperatingCode,
  message: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof OperatingError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

function gzip() {
  return { codec: 'gzip', level: 5 } as const
}

function zstd() {
  return { codec: 'zstd', level: 2 } as const
}

function storePaths(...paths: StorePath[]): LayerContent {
  const measure = (path: StorePath) => measureTree(join(storeDirectory, storePathBaseName(path)))
  return {
    kind: 'store-paths',
    paths: paths.map((path) => ({ path, narSizeBytes: measure(path) })),
  }
}

function storePath(letter: string, name: string): StorePath {
  return parseStorePath(`/nix/store/${letter.repeat(32)}-${name}`)!
}

function writeTree(): void {
  const top = join(storeDirectory, storePathBaseName(tree))
  const at = (name: string) => join(top, name)
  for (const name of ['a', 'empty', longName]) mkdirSync(at(name), { recursive: true })
  writeFileSync(at('a-b'), 'a-b')
  writeFileSync(at('a/x'), 'x')
  linkSync(at('a/x'), at('hard-link'))
  symlinkSync('/nowhere', at('dangling'))
  symlinkSync(`../${longName}`, at('link'))
  writeFileSync(at(`${longName}/${longName}`), '', { mode: 0o700 })
  writeFileSync(Buffer.from(`${top}/\xff\xe9`, 'latin1'), 'bytes')
  chmodSync(at('a-b'), 0o640)
  writeFileSync(join(storeDirectory, storePathBaseName(program)), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(storeDirectory, storePathBaseName(bigFile)), bigContents)
}
