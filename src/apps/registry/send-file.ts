import type { ServerResponse } from 'node:http'
import type { ByteRange } from '#core/oci/byte-range.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import type { BufferPair, SendBuffers } from './send-buffers.ts'

// Whatever is smaller goes out with its headers, in memory of its own.
const mostAtOnceBytes = 64 * 1024

// 512 KiB in so long are 1 MB/s: small pieces carry that as well.
const slowWriteMs = 500

/**
 * Sends a part of a file, whose headers have been written, and ends the response. Rejects when the client
 * leaves, and when the file ends too early or was touched meanwhile: the last bytes are not sent then.
 */
export async function sendFile(
  response: ServerResponse,
  file: BlobFile,
  range: ByteRange,
  buffers: SendBuffers,
): Promise<void> {
  const sending = new FileSending(response, file, range.end + 1)
  if (range.end - range.start < mostAtOnceBytes) return sending.sendAtOnce(range.start)
  const position = await buffers.lend((pair) => sending.send(range.start, pair, slowWriteMs))
  if (position <= range.end)
    await buffers.lendSmall((pair) => sending.send(position, pair, Number.POSITIVE_INFINITY))
  response.end()
}

class FileSending {
  readonly #response: ServerResponse
  readonly #file: BlobFile
  readonly #end: number

  constructor(response: ServerResponse, file: BlobFile, end: number) {
    this.#response = response
    this.#file = file
    this.#end = end
  }

  async sendAtOnce(start: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(this.#end - start)
    let filled = 0
    while (filled < bytes.length) filled += await this.#read(bytes.subarray(filled), start + filled)
    this.#requireUnchanged()
    this.#response.end(bytes)
  }

  /** From a position to the end, or until a write takes too long; gives the position that it came to. */
  async send(start: number, pair: BufferPair, mostWriteMs: number): Promise<number> {
    let [sending, filling] = pair
    let position = start
    let readBytes = await this.#fill(sending, position)
    for (;;) {
      const next = position + readBytes
      if (next === this.#end) this.#requireUnchanged()
      const startedAt = performance.now()
      const written = this.#write(sending.subarray(0, readBytes))
      const read = next < this.#end ? this.#fill(filling, next) : 0
      // The memory is somebody else's once this has ended, however it ends.
      const [sent, filled] = await Promise.allSettled([written, read])
      if (sent.status === 'rejected') throw sent.reason
      if (filled.status === 'rejected') throw filled.reason
      position = next
      const isSlow = performance.now() - startedAt > mostWriteMs
      if (position === this.#end || isSlow) return position
      readBytes = filled.value
      ;[sending, filling] = [filling, sending]
    }
  }

  async #fill(buffer: Buffer, position: number): Promise<number> {
    return this.#read(buffer.subarray(0, this.#end - position), position)
  }

  async #read(into: Uint8Array, position: number): Promise<number> {
    const readBytes = await this.#file.read(into, position)
    if (readBytes === 0) throw touched()
    return readBytes
  }

  #requireUnchanged(): void {
    if (!this.#file.isUnchanged()) throw touched()
  }

  /** Resolves when the system has taken all of it. */
  #write(bytes: Uint8Array): Promise<void> {
    const response = this.#response
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const left = () => reject(new DOMException('the client hung up', 'AbortError'))
    if (response.destroyed) left()
    response.once('close', left)
    response.write(bytes, (error) => {
      // A write that fails is followed by the end of its connection.
      if (error instanceof Error) return
      response.off('close', left)
      resolve()
    })
    return promise
  }
}

function touched(): OperatingError {
  return new OperatingError('STORAGE_BUSY', 'a blob was changed while it was sent: pull again')
}
