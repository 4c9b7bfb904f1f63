import type { Compression } from '#engine/ports/packer.ts'

// Fixed, because they decide the compressed bytes: how much is compressed at once. Larger blocks of
// deflate are hardly smaller; a zstd frame of 4 MiB asks no more than that of its readers' memory.
export const gzipBlockBytes = 1024 * 1024
export const zstdBlockBytes = 4 * 1024 * 1024

/** What deflate can refer back to. */
export const windowBytes = 32 * 1024

/** What stands around the compressed blocks of a layer, and how they are cut. */
export interface LayerFormat {
  readonly blockBytes: number
  /** Whether a block may refer to the one before it in the same segment. */
  readonly hasWindow: boolean
  readonly start: Uint8Array
  /** After the last block, for the CRC-32 and the size of the whole archive. */
  end(crc: number, sizeBytes: number): Uint8Array
}

// RFC 1952, 2.3: magic, deflate, no flags, no time, no extra flags, operating system unknown.
const memberHeader = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
// RFC 1951, 3.2.6: a last block with fixed codes that holds nothing but its end.
const lastBlock = Uint8Array.of(0x03, 0x00)
const nothing = new Uint8Array(0)

const formats: Readonly<Record<Compression['codec'], LayerFormat>> = {
  /**
   * One member, made from blocks that are compressed one by one: each ends byte-aligned
   * (`Z_SYNC_FLUSH`), so they can be joined. Several members would be legal, but Python's streaming
   * tarfile, browsers and Perl stop after the first.
   */
  gzip: {
    blockBytes: gzipBlockBytes,
    hasWindow: true,
    start: memberHeader,
    end(crc, sizeBytes) {
      // RFC 1952, 2.3.1: CRC and size, both modulo 2^32.
      const trailer = Buffer.alloc(8)
      trailer.writeUInt32LE(crc, 0)
      trailer.writeUInt32LE(sizeBytes % 2 ** 32, 4)
      return Buffer.concat([lastBlock, trailer])
    },
  },
  /** Frames one after the other, which is what a zstd file is (RFC 8878, 3). */
  zstd: {
    blockBytes: zstdBlockBytes,
    hasWindow: false,
    start: nothing,
    end: () => nothing,
  },
}

export function layerFormatOf(codec: Compression['codec']): LayerFormat {
  return formats[codec]
}
