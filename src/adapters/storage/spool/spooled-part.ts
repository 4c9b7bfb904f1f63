import { createReadStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import type { Spool } from './spool.ts'

/** One part of an upload, kept until it is stored. */
export interface SpooledPart {
  readonly sizeBytes: number
  /** Its bytes, anew for every try. A stream that is left unread ends with the part. */
  open(): Readable
}

// Most documents and many layers are smaller; a file would cost more than sending them.
const mostMemoryBytes = 256 * 1024

// Each read is a buffer of its own, and several parts are sent at once.
const readBytes = 256 * 1024

/** A part that is being filled: in memory while it is small, then in a file of the spool. */
export class GrowingPart implements SpooledPart {
  readonly #spool: Spool
  readonly #owner: object
  readonly #mostBytes: number
  readonly #path: string
  readonly #streams: Readable[] = []
  #chunks: Uint8Array[] = []
  #file: FileHandle | undefined
  #roomBytes = 0
  #sizeBytes = 0

  /** `owner`: the upload that the spool's room is counted for. */
  constructor(spool: Spool, owner: object, mostBytes: number) {
    this.#spool = spool
    this.#owner = owner
    this.#mostBytes = mostBytes
    this.#path = spool.newPath()
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Waits for room in the spool when the part outgrows memory. A part that failed is only dropped. */
  async append(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const isSmall = this.#sizeBytes + bytes.length <= mostMemoryBytes
    if (this.#file === undefined && isSmall) {
      this.#chunks.push(Uint8Array.from(bytes))
    } else {
      const file = this.#file ?? (await this.#moveToDisk(signal))
      await guardFilesystem('cannot keep an upload on disk', () => file.writeFile(bytes))
    }
    this.#sizeBytes += bytes.length
  }

  open(): Readable {
    const stream =
      this.#file === undefined
        ? Readable.from(this.#chunks, { objectMode: false })
        : createReadStream(this.#path, { highWaterMark: readBytes })
    this.#streams.push(stream)
    return stream
  }

  /** Ends its streams, removes its file and gives the room back. Safe twice; failures only warn. */
  async drop(): Promise<void> {
    for (const stream of this.#streams) stream.destroy()
    this.#chunks = []
    const file = this.#file
    this.#file = undefined
    try {
      await file?.close()
      if (file !== undefined) await rm(this.#path, { force: true })
    } catch (error) {
      process.emitWarning(`cannot remove ${this.#path}: ${String(error)}`)
    }
    if (this.#roomBytes > 0) this.#spool.room.giveBack(this.#owner, this.#roomBytes)
    this.#roomBytes = 0
  }

  /** Takes room for all that the part may hold: one that is half full must never wait for more. */
  async #moveToDisk(signal: AbortSignal): Promise<FileHandle> {
    await this.#spool.room.take(this.#owner, this.#mostBytes, signal)
    this.#roomBytes = this.#mostBytes
    return guardFilesystem('cannot keep an upload on disk', async () => {
      this.#file = await open(this.#path, 'wx', 0o600)
      for (const chunk of this.#chunks.splice(0)) await this.#file.writeFile(chunk)
      return this.#file
    })
  }
}
