import { close, fstatSync, open, read, readSync, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import {
  filesystemError,
  guardFilesystem,
  unlessMissing,
} from '#adapters/filesystem/filesystem-error.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { DiskGauge } from './disk-gauge.ts'
import { formatIdentity, isSameFile, settledMs } from './file-identity.ts'
import { loadSendPages } from './send-pages.ts'

const openDescriptor = promisify(open)
const closeDescriptor = promisify(close)

/** A file by its descriptor: Node's own handles cost several times as much for each read. */
export async function openFile(path: string, key: string): Promise<BlobFile | undefined> {
  const descriptor = await openToRead(path, key)
  return descriptor === undefined ? undefined : new DescribedFile(descriptor, key)
}

/** The descriptor of a file, if it is there. Node ends the process when it finds a handle among the garbage. */
export function openToRead(path: string, key: string): Promise<number | undefined> {
  return guardFilesystem(`cannot open ${key}`, () => unlessMissing(openDescriptor(path, 'r')))
}

class DescribedFile implements BlobFile {
  readonly sizeBytes: number
  readonly identity: string
  readonly isSettled: boolean
  readonly #descriptor: number
  readonly #key: string
  readonly #opened: Stats
  readonly #disk = new DiskGauge()

  constructor(descriptor: number, key: string) {
    this.#descriptor = descriptor
    this.#key = key
    // Of an open file the kernel has all this in memory.
    this.#opened = fstatSync(descriptor)
    this.sizeBytes = this.#opened.size
    this.identity = formatIdentity(this.#opened)
    this.isSettled = settledMs(this.#opened) <= Date.now()
  }

  isUnchanged(): boolean {
    return isSameFile(fstatSync(this.#descriptor), this.#opened)
  }

  /**
   * What the kernel has in memory is copied from there at once: to let another thread do that takes half
   * as much processor time again. Whoever has to wait for the disk waits on another thread.
   */
  read(into: Uint8Array, position: number): Promise<number> | number {
    return this.#disk.isResting ? this.#readNow(into, position) : this.#readLater(into, position)
  }

  #readNow(into: Uint8Array, position: number): number {
    const startedAt = performance.now()
    try {
      return readSync(this.#descriptor, into, 0, into.length, position)
    } catch (error) {
      throw filesystemError(error, `cannot read ${this.#key}`)
    } finally {
      this.#disk.note(startedAt)
    }
  }

  async #readLater(into: Uint8Array, position: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const startedAt = performance.now()
    read(this.#descriptor, into, 0, into.length, position, (error, readBytes) => {
      this.#disk.note(startedAt)
      if (error === null) resolve(readBytes)
      else reject(error)
    })
    return guardFilesystem(`cannot read ${this.#key}`, () => promise)
  }

  pass(descriptor: number, position: number, mostBytes: number): number | undefined {
    const sendPages = loadSendPages()
    if (sendPages === undefined || !this.#disk.isResting) return undefined
    const startedAt = performance.now()
    const sentBytes = sendPages(descriptor, this.#descriptor, position, mostBytes)
    this.#disk.note(startedAt)
    return sentBytes
  }

  async close(): Promise<void> {
    await guardFilesystem(`cannot close ${this.#key}`, () => closeDescriptor(this.#descriptor))
  }
}
