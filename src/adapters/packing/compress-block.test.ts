import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { assert as assertProperty, array, integer, oneof, property, tuple } from 'fast-check'
import { compressBlock } from './compress-block.ts'
import { zstdBlockBytes } from './layer-format.ts'

const gzip = { codec: 'gzip', level: 5 } as const
const lastBlock = Buffer.of(3, 0)
const kibibyte = 1024

test('compressBlock() gives back deflate that reads as the block, whatever is in it', () => {
  const stretch = oneof(
    tuple(integer({ min: 0, max: 300 * kibibyte }), integer()).map(([size, seed]) =>
      noise(size, seed),
    ),
    tuple(integer({ min: 0, max: 300 * kibibyte }), integer({ min: 0, max: 255 })).map(
      ([size, byte]) => Buffer.alloc(size, byte),
    ),
  )
  assertProperty(
    property(
      array(stretch, { maxLength: 4 }),
      integer({ min: 0, max: 32 * kibibyte }),
      (all, w) => {
        const bytes = Buffer.concat(all)
        const windowBytes = Math.min(w, bytes.length)
        const compressed = Buffer.concat([...compressBlock(bytes, windowBytes, gzip), lastBlock])
        const read = inflateRawSync(compressed, { dictionary: bytes.subarray(0, windowBytes) })
        assert.ok(read.equals(bytes.subarray(windowBytes)))
      },
    ),
    { numRuns: 50 },
  )
})

test('compressBlock() stores what is random between what is not', () => {
  const random = noise(512 * kibibyte, 1)
  const text = Buffer.alloc(256 * kibibyte, 'some text ')
  const compressed = compressBlock(Buffer.concat([text, random, text]), 0, gzip)
  const plain = compressed.filter((piece) => piece.length > 1 && random.includes(piece))
  assert.equal(
    plain.reduce((sum, piece) => sum + piece.length, 0),
    random.length,
  )
  assert.ok(Buffer.concat(compressed).length < random.length + 10_000)
})

test('compressBlock() compresses random bytes that repeat themselves', () => {
  const repeated = Buffer.concat(Array.from({ length: 64 }, () => noise(4 * kibibyte, 2)))
  const compressed = Buffer.concat(compressBlock(repeated, 0, gzip))
  const expected = deflateRawSync(repeated, { level: 5, finishFlush: constants.Z_SYNC_FLUSH })
  assert.ok(compressed.length < 2 * expected.length)
})

test('compressBlock() makes one zstd frame that says its size', () => {
  const block = Buffer.concat([noise(zstdBlockBytes / 2, 3), Buffer.alloc(zstdBlockBytes / 2)])
  const [frame, ...rest] = compressBlock(block, 0, { codec: 'zstd', level: 2 })
  assert.deepEqual(rest, [])
  assert.ok(zstdDecompressSync(frame!).equals(block))
  // RFC 8878, 3.1.1.1.1: the size is in four bytes, after the window unless that is the whole frame.
  const descriptor = frame![4]!
  assert.equal(descriptor >> 6, 2)
  const isSingleSegment = (descriptor & 0b100000) !== 0
  assert.equal(Buffer.from(frame!).readUInt32LE(isSingleSegment ? 5 : 6), zstdBlockBytes)
})

/** Bytes that look random and are the same for a seed. */
function noise(sizeBytes: number, seed: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(1, sizeBytes) })
    .update(String(seed))
    .digest()
    .subarray(0, sizeBytes)
}
