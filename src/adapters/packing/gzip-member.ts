import { createHash } from 'node:crypto'
import { constants, crc32, deflateRawSync } from 'node:zlib'
import { digestFromHash, type Digest } from '#core/oci/digest.ts'

// Fixed, because both decide the compressed bytes: how much is compressed at once, and how far back
// deflate can refer (its whole window).
const blockBytes = 1024 * 1024
const windowBytes = 32 * 1024

// RFC 1952, 2.3: magic, deflate, no flags, no time, no extra flags, operating system unknown.
const memberHeader = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
// RFC 1951, 3.2.6: a last block with fixed codes that holds nothing but its end.
const lastBlock = Uint8Array.of(0x03, 0x00)

/**
 * One gzip member, made from blocks that are compressed one by one: each ends byte-aligned
 * (`Z_SYNC_FLUSH`), so they can be joined, and starts with the window of the one before, so that
 * hardly anything is lost by the cut. Everything is synchronous: this runs on a worker thread, and
 * zlib's asynchronous calls would take the threads that serve files.
 */
export class GzipMember {
  // The window, then the block that is being filled.
  readonly #buffer = Buffer.alloc(windowBytes + blockBytes)
  #filledBytes = 0
  #blocks = 0
  #crc = 0
  #sizeBytes = 0
  readonly #hash = createHash('sha256')
  readonly #level: number
  readonly #send: (compressed: Uint8Array) => void

  constructor(level: number, send: (compressed: Uint8Array) => void) {
    this.#level = level
    this.#send = send
    send(memberHeader)
  }

  /** Uncompressed bytes so far. */
  get sizeBytes(): number {
    return this.#sizeBytes + this.#filledBytes
  }

  /** Room for at least one byte, to be filled in place and then claimed with `advance`. */
  get room(): Buffer {
    return this.#buffer.subarray(windowBytes + this.#filledBytes)
  }

  /** Says how many bytes of `room` were filled. */
  advance(filledBytes: number): void {
    this.#filledBytes += filledBytes
    if (this.#filledBytes === blockBytes) this.#compressBlock()
  }

  append(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const room = this.room
      const part = bytes.subarray(start, start + room.length)
      room.set(part)
      this.advance(part.length)
      start += part.length
    }
  }

  /** Sends what is left and the trailer; the digest of the uncompressed bytes. */
  end(): Digest {
    if (this.#filledBytes > 0) this.#compressBlock()
    this.#send(lastBlock)
    // RFC 1952, 2.3.1: CRC and size, both modulo 2^32.
    const trailer = Buffer.alloc(8)
    trailer.writeUInt32LE(this.#crc, 0)
    trailer.writeUInt32LE(this.#sizeBytes % 2 ** 32, 4)
    this.#send(trailer)
    return digestFromHash(this.#hash)
  }

  #compressBlock(): void {
    const block = this.#buffer.subarray(windowBytes, windowBytes + this.#filledBytes)
    this.#hash.update(block)
    this.#crc = crc32(block, this.#crc)
    this.#sizeBytes += block.length
    const window = this.#blocks === 0 ? {} : { dictionary: this.#buffer.subarray(0, windowBytes) }
    this.#send(
      deflateRawSync(block, {
        level: this.#level,
        memLevel: 8,
        windowBits: 15,
        finishFlush: constants.Z_SYNC_FLUSH,
        chunkSize: blockBytes,
        ...window,
      }),
    )
    // Only the last block is shorter than a window, and nothing follows it.
    this.#buffer.copyWithin(0, blockBytes, windowBytes + blockBytes)
    this.#filledBytes = 0
    this.#blocks += 1
  }
}
