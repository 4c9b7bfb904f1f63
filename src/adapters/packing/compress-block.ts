import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib'
import type { Compression } from '#engine/ports/packer.ts'
import { gzipBlockBytes } from './layer-format.ts'

/**
 * A block of an archive as a piece of its layer: deflate that ends byte-aligned, or a frame of zstd.
 * `window` is what stands before the block in the same segment. Synchronous, on a thread of its own:
 * zlib's asynchronous calls would take the threads that serve files. The bytes depend on nothing but
 * the arguments and the build of the compressor.
 */
export function compressBlock(
  window: Uint8Array,
  block: Uint8Array,
  { codec, level }: Compression,
): Uint8Array {
  // Never a stream with `nbWorkers`: in Node 26 it loses the end without a word.
  return codec === 'zstd' ? compressFrame(block, level) : deflate(window, block, level)
}

function compressFrame(block: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(block, { params: { [constants.ZSTD_c_compressionLevel]: level } })
}

function deflate(window: Uint8Array, block: Uint8Array, level: number): Uint8Array {
  return deflateRawSync(block, {
    level,
    memLevel: 8,
    windowBits: 15,
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: gzipBlockBytes,
    ...(window.length > 0 && { dictionary: window }),
  })
}
