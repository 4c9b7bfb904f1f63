import { formatTarHeader, paddingBytes, type TarHeader } from '#core/tar/tar-header.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import type { EntrySink } from './read-store-path.ts'

/** Where the bytes of an archive go, block by block. */
export interface BlockTarget {
  /** Memory for the next block, to be filled from its start. */
  open(): Buffer
  /** Takes the block that was opened, with the bytes that were filled: all but for the last block. */
  close(filledBytes: number): void
  /** Called between entries and blocks: throws when the bytes are wanted no more. */
  check(): void
}

const zeros = new Uint8Array(512)

/** Writes archive entries into the blocks of a target. */
export class ArchiveSink implements EntrySink {
  readonly #target: BlockTarget
  #block: Buffer | undefined
  #filledBytes = 0

  constructor(target: BlockTarget) {
    this.#target = target
  }

  header(header: TarHeader): void {
    this.#target.check()
    this.append(formatTarHeader(header))
  }

  room(): Buffer {
    this.#block ??= this.#target.open()
    return this.#filledBytes === 0 ? this.#block : this.#block.subarray(this.#filledBytes)
  }

  advance(filledBytes: number): void {
    this.#filledBytes += filledBytes
    if (this.#filledBytes === this.#block?.length) this.#close()
  }

  pad(sizeBytes: number): void {
    this.append(zeros.subarray(0, paddingBytes(sizeBytes)))
  }

  append(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const room = this.room()
      const part = bytes.subarray(start, start + room.length)
      room.set(part)
      this.advance(part.length)
      start += part.length
    }
  }

  entries(entries: readonly TarEntry[]): void {
    for (const entry of entries) this.#entry(entry)
  }

  /** Ends the last block. */
  end(): void {
    if (this.#filledBytes > 0) this.#close()
  }

  #entry(entry: TarEntry): void {
    if (entry.kind !== 'file') return this.header(entry)
    const { contents, ...rest } = entry
    this.header({ ...rest, sizeBytes: contents.length })
    this.append(contents)
    this.pad(contents.length)
  }

  #close(): void {
    const filledBytes = this.#filledBytes
    this.#block = undefined
    this.#filledBytes = 0
    this.#target.check()
    this.#target.close(filledBytes)
  }
}
