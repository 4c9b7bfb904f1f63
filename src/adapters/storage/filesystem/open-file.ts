import { close, fstatSync, open, read, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { formatIdentity, isSameFile, settledMs } from './file-identity.ts'

const openDescriptor = promisify(open)
const closeDescriptor = promisify(close)

/** A file by its descriptor: Node's own handles cost several times as much for each read. */
export async function openFile(path: string, key: string): Promise<BlobFile | undefined> {
  const descriptor = await guardFilesystem(`cannot open ${key}`, () =>
    unlessMissing(openDescriptor(path, 'r')),
  )
  return descriptor === undefined ? undefined : new DescribedFile(descriptor, key)
}

class DescribedFile implements BlobFile {
  readonly sizeBytes: number
  readonly identity: string
  readonly isSettled: boolean
  readonly #descriptor: number
  readonly #key: string
  readonly #opened: Stats

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

  read(into: Uint8Array, position: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    read(this.#descriptor, into, 0, into.length, position, (error, readBytes) => {
      if (error === null) resolve(readBytes)
      else reject(error)
    })
    return guardFilesystem(`cannot read ${this.#key}`, () => promise)
  }

  async close(): Promise<void> {
    await guardFilesystem(`cannot close ${this.#key}`, () => closeDescriptor(this.#descriptor))
  }
}
