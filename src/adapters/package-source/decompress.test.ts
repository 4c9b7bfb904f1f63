import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'

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
