import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib'
import type { Compression } from '#engine/ports/packer.ts'
import { isIncompressible } from './incompressible.ts'
import { windowBytes as mostWindowBytes } from './layer-format.ts'

/**
 * A block of an archive as pieces of its layer: deflate that ends byte-aligned, or a frame of zstd.
 * The first `windowBytes` stand before the block in the same segment. Synchronous, on a thread of its
 * own: zlib's asynchronous calls would take the threads that serve files. The bytes depend on nothing
 * but the arguments and the build of the compressor.
 */
export function compressBlock(
  windowAndBlock: Buffer,
  windowBytes: number,
  { codec, level }: Compression,
): readonly Uint8Array[] {
  // Never a stream with `nbWorkers`: in Node 26 it loses the end without a word.
  return codec === 'zstd'
    ? [compressFrame(windowAndBlock.subarray(windowBytes), level)]
    : deflateBlock(windowAndBlock, windowBytes, level)
}

/**
 * Room for the result, whatever is in the block: it is made in one pass then, by which zstd gains a
 * fifth, and a small block does not pay for the memory of a large one.
 */
function roomFor(block: Uint8Array): number {
  return block.length + Math.ceil(block.length / 64) + 1024
}

function compressFrame(block: Buffer, level: number): Uint8Array {
  return zstdCompressSync(block, {
    chunkSize: roomFor(block),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  })
}

// What is not worth compressing is found part by part. Each change of the kind costs a few bytes.
const partBytes = 128 * 1024

/** Deflate takes as long for what it cannot make smaller as for the rest, so that is stored as it is. */
function deflateBlock(windowAndBlock: Buffer, windowBytes: number, level: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let start = windowBytes
  let end = start
  // Of the run of compressible parts that ends here.
  const compressRun = () => {
    if (end === start) return
    const window = windowAndBlock.subarray(Math.max(0, start - mostWindowBytes), start)
    pieces.push(deflate(windowAndBlock.subarray(start, end), window, level))
  }
  while (end < windowAndBlock.length) {
    const part = windowAndBlock.subarray(end, end + partBytes)
    if (isIncompressible(part)) {
      compressRun()
      pieces.push(...store(part))
      start = end + part.length
    }
    end += part.length
  }
  compressRun()
  return pieces
}

function deflate(bytes: Buffer, window: Buffer, level: number): Uint8Array {
  return deflateRawSync(bytes, {
    level,
    memLevel: 8,
    windowBits: 15,
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: roomFor(bytes),
    ...(window.length > 0 && { dictionary: window }),
  })
}

/** Stored blocks of deflate, which begin and end byte-aligned (RFC 1951, 3.2.4). */
function* store(bytes: Buffer): Generator<Uint8Array> {
  const mostBytes = 0xffff
  for (let start = 0; start < bytes.length; start += mostBytes) {
    const part = bytes.subarray(start, start + mostBytes)
    const header = Buffer.alloc(5)
    header.writeUInt16LE(part.length, 1)
    header.writeUInt16LE(part.length ^ 0xffff, 3)
    yield header
    yield part
  }
}
