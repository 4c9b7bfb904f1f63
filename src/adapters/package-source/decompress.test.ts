import assert from 'node:assert/strict'
import { ChildProcess, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'

import { eventually } from '#test/anomaly/eventually.ts'
import { decompress, DecompressionError } from './decompress.ts'

const text = Buffer.from(Array.from({ length: 50_000 }, (_, index) => `line ${index}`).join('\n'))

const unpack = (source: AsyncIterable<Uint8Array>) => decompress(source, process.env['PATH'] ?? '')

function compressBy(program: string): Buffer | string {
  const { stdout, error } = spawnSync(program, ['--stdout'], { input: text })
  return error === undefined ? stdout : `${program} is not on this machine`
}

const compressed: ReadonlyMap<string, Buffer | string> = new Map([
  ['gzip', gzipSync(text)],
  ['zstd', zstdCompressSync(text)],
  ['xz', compressBy('xz')],
  ['bzip2', compressBy('bzip2')],
])

/** As a network gives it. */
function inPieces(bytes: Buffer, sizeBytes: number): Readable {
  const count = Math.ceil(bytes.length / sizeBytes)
  return Readable.from(
    Array.from({ length: count }, (_, index) =>
      bytes.subarray(index * sizeBytes, (index + 1) * sizeBytes),
    ),
  )
}

for (const [name, bytes] of compressed) {
  const skip = typeof bytes === 'string' && bytes
  test(`decompress() unpacks ${name}, and refuses what only begins so`, { skip }, async () => {
    assert.ok(typeof bytes !== 'string')
    for (const sizeBytes of [1_000_000, 7]) {
      assert.deepEqual(await buffer(unpack(inPieces(bytes, sizeBytes))), text)
    }
    const damaged = Buffer.concat([bytes.subarray(0, 40), Buffer.alloc(400, 'x')])
    await assert.rejects(buffer(unpack(inPieces(damaged, 100))))
  })

  test(
    `decompress() of ${name} fails as its source does, and ends with its reader`,
    { skip },
    async () => {
      assert.ok(typeof bytes !== 'string')
      const reason = new Error('the network is gone')
      const part = bytes.subarray(0, -100)
      async function* broken() {
        yield part
        throw reason
      }
      await assert.rejects(buffer(unpack(broken() as AsyncIterable<Buffer>)), reason)
      for await (const chunk of unpack(inPieces(bytes, 100))) {
        assert.ok(chunk.length > 0)
        break
      }
    },
  )
}

/** How files for programs begin, with enough after it that nothing more is looked at. */
const beginnings: ReadonlyMap<string, Buffer> = new Map([
  ['xz', Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(500)])],
  ['bzip2', Buffer.concat([Buffer.from('BZh'), Buffer.alloc(500)])],
])

async function makeDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-decompress-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A search path with a program that finds all that it reads cut off. */
async function writeRefusing(context: TestContext, program: string): Promise<string> {
  const directory = await makeDirectory(context)
  const path = join(directory, program)
  await writeFile(path, '#!/bin/sh\ncat >/dev/null\necho unexpected end of input >&2\nexit 1\n')
  await chmod(path, 0o755)
  return directory + delimiter + (process.env['PATH'] ?? '')
}

const tarHeader = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(250)])

/** Gives the bytes again and again, until nobody wants more. */
function endless(bytes: Uint8Array) {
  let isClosed = false
  async function* repeat() {
    try {
      for (;;) yield bytes
    } finally {
      isClosed = true
    }
  }
  const closed = () => eventually('the end of the source', () => isClosed || undefined)
  return { source: repeat(), closed }
}

for (const [program, bytes] of beginnings) {
  test(`decompress() fails as its source does when ${program} is quick to find the end`, async (context) => {
    const searchPath = await writeRefusing(context, program)
    // A program whose input has ended has ended too before anybody kills it.
    context.mock.method(ChildProcess.prototype, 'kill', function (this: ChildProcess) {
      return this.stdin?.destroyed === false && process.kill(this.pid!, 'SIGKILL')
    })
    const reason = new Error('the network is gone')
    async function* broken() {
      yield bytes
      throw reason
    }
    await assert.rejects(buffer(decompress(broken(), searchPath) as AsyncIterable<Buffer>), reason)
  })

  test(`decompress() closes its source when there is no ${program}`, async (context) => {
    const { source, closed } = endless(bytes)
    const unpacked = decompress(source, await makeDirectory(context))
    await assert.rejects(unpacked.next(), DecompressionError)
    await closed()
  })
}

for (const [name, bytes] of [...compressed, ['tar', tarHeader] as const]) {
  const skip = typeof bytes === 'string' && bytes
  test(`decompress() of ${name} closes its source when its reader leaves`, { skip }, async () => {
    assert.ok(typeof bytes !== 'string')
    const { source, closed } = endless(bytes)
    for await (const chunk of unpack(source)) {
      assert.ok(chunk.length > 0)
      break
    }
    await closed()
  })
}

test('decompress() passes on what is an archive already', async () => {
  const { stdout, error } = spawnSync('tar', [
    '-cf',
    '-',
    '-C',
    import.meta.dirname,
    'decompress.ts',
  ])
  assert.equal(error, undefined)
  assert.deepEqual(await buffer(unpack(inPieces(stdout, 100))), stdout)
})

test('decompress() refuses anything else', async () => {
  await assert.rejects(buffer(unpack(inPieces(Buffer.from('<html>'), 3))), {
    code: 'Z_DATA_ERROR',
  })
  const notXz = Buffer.from(`fd377a585a00${'00'.repeat(100)}`, 'hex')
  await assert.rejects(buffer(unpack(inPieces(notXz, 50))), DecompressionError)
})
