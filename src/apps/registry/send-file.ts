import type { ServerResponse } from 'node:http'
import type { ByteRange } from '#core/oci/byte-range.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { idleDescriptor, notePassed } from './kernel-socket.ts'
import type { BufferPair, SendBuffers } from './send-buffers.ts'

// Whatever is smaller goes out with its headers, in memory of its own.
const mostAtOnceBytes = 64 * 1024

// What the kernel sends in one turn: others wait for it for two milliseconds. A socket of this machine
// takes about as much before it is full; turns of a MiB cost a fifth of the throughput of 16 clients.
const mostPassedBytes = 4 * 1024 * 1024

// So many turns at most before Node sends a piece, and sees that the connection lives.
const mostTurns = 16

// What goes through Node between turns: a write that waits until the client has taken some.
const pieceBytes = 64 * 1024

// The disk is waited for on another thread so long before the kernel is asked again.
const mostCopiedBytes = 8 * 1024 * 1024

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
  let position = range.start
  let isSlow = false
  for (;;) {
    const from = await sending.pass(position)
    if (from > range.end) break
    const until = file.pass === undefined ? sending.end : from + mostCopiedBytes
    position = isSlow
      ? await buffers.lendSmall((pair) => sending.send(from, until, pair, Infinity))
      : await buffers.lend((pair) => sending.send(from, until, pair, slowWriteMs))
    if (position > range.end) break
    isSlow ||= position < until
  }
  response.end()
}

class FileSending {
  readonly #response: ServerResponse
  readonly #file: BlobFile
  /** After the last byte. */
  readonly end: number

  constructor(response: ServerResponse, file: BlobFile, end: number) {
    this.#response = response
    this.#file = file
    this.end = end
  }

  async sendAtOnce(start: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(this.end - start)
    let filled = 0
    while (filled < bytes.length) filled += await this.#read(bytes.subarray(filled), start + filled)
    this.#requireUnchanged()
    this.#response.end(bytes)
  }

  /**
   * From a position on as long as the kernel sends without waiting for the disk; gives the position that
   * it came to. Node sends a piece whenever the connection has no room, and the head and the last bytes: that
   * waits for the client.
   */
  async pass(start: number): Promise<number> {
    if (this.#file.pass === undefined) return start
    const piece = Buffer.allocUnsafe(pieceBytes)
    let position = start
    let idlePieces = 0
    for (;;) {
      const filled = await this.#fill(piece, position)
      if (position + filled === this.end) this.#requireUnchanged()
      await this.#write(piece.subarray(0, filled))
      position += filled
      if (position === this.end) return position
      const passed = await this.#passTurns(position)
      if (passed === undefined) return position
      position += passed
      // A client that has just taken a piece has room. Otherwise it is the kernel that cannot.
      idlePieces = passed === 0 && position < this.#lastPiece ? idlePieces + 1 : 0
      if (idlePieces === 2) return position
    }
  }

  /** As many bytes as the connection takes, with others in between; `undefined` when that cannot be. */
  async #passTurns(start: number): Promise<number | undefined> {
    let position = start
    for (let turn = 0; turn < mostTurns && position < this.#lastPiece; turn += 1) {
      const mostBytes = Math.min(mostPassedBytes, this.#lastPiece - position)
      const passed = this.#pass(position, mostBytes)
      if (passed === undefined) return position === start ? undefined : position - start
      position += passed
      if (passed < mostBytes) break
      await new Promise(setImmediate)
    }
    return position - start
  }

  /** Where the bytes begin that wait for the last look at the file. */
  get #lastPiece(): number {
    return this.end - pieceBytes
  }

  #pass(position: number, mostBytes: number): number | undefined {
    const { socket } = this.#response
    const descriptor = idleDescriptor(socket)
    if (socket === null || descriptor === undefined) return undefined
    const passed = this.#file.pass?.(descriptor, position, mostBytes)
    if (passed !== undefined) notePassed(socket, passed)
    return passed
  }

  /**
   * From a position on until another one is reached, or a write takes too long; gives the position that it
   * came to.
   */
  async send(start: number, until: number, pair: BufferPair, mostWriteMs: number): Promise<number> {
    let [sending, filling] = pair
    let position = start
    let readBytes = await this.#fill(sending, position)
    for (;;) {
      const next = position + readBytes
      if (next === this.end) this.#requireUnchanged()
      const startedAt = performance.now()
      const written = this.#write(sending.subarray(0, readBytes))
      const read = next < Math.min(until, this.end) ? this.#fill(filling, next) : 0
      // The memory is somebody else's once this has ended, however it ends.
      const [sent, filled] = await Promise.allSettled([written, read])
      if (sent.status === 'rejected') throw sent.reason
      if (filled.status === 'rejected') throw filled.reason
      position = next
      const isSlow = performance.now() - startedAt > mostWriteMs
      if (position >= until || position === this.end || isSlow) return position
      readBytes = filled.value
      ;[sending, filling] = [filling, sending]
    }
  }

  async #fill(buffer: Buffer, position: number): Promise<number> {
    return this.#read(buffer.subarray(0, this.end - position), position)
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
