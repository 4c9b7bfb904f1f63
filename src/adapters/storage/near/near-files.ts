import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import { digestHex, digestOf, type Digest } from '#core/oci/digest.ts'
import { NearCopy } from './near-copy.ts'
import { DirectoryRoom } from '#adapters/filesystem/directory-room.ts'
import { Outage } from '#adapters/filesystem/outage.ts'

// One large blob must not drive everything else away.
const mostPart = 1 / 4

// A file whose time is no older counts as used now: a hot one is not renewed with every read.
const renewalMs = 60 * 1000

export interface NearFilesOptions {
  /** On local disk; several processes may share it. */
  readonly directory: string
  readonly mostBytes: number
  /** Wall clock; that of the system unless given. */
  readonly nowMs?: (() => number) | undefined
}

/**
 * Copies of blobs on local disk:
 *
 *     blobs/<sha256 hex>       whole and right when they were written; the time says when they were used
 *     unfinished/<owner>/<n>   being written
 *
 * No method fails. What cannot be read is not there, and what cannot be written is not kept.
 */
export class NearFiles {
  readonly #blobsDirectory: string
  readonly #unfinished: OwnedDirectory
  readonly #mostBytes: number
  readonly #nowMs: () => number
  readonly #room: DirectoryRoom
  readonly #reading: Outage
  readonly #writing: Outage
  readonly #copies = new Map<Digest, NearCopy>()
  #copyCount = 0
  #isClosed = false

  constructor(
    { directory, mostBytes, nowMs = Date.now }: NearFilesOptions,
    unfinished: OwnedDirectory,
  ) {
    this.#blobsDirectory = join(directory, 'blobs')
    this.#unfinished = unfinished
    this.#mostBytes = mostBytes
    this.#nowMs = nowMs
    this.#reading = new Outage(`blobs are not read from ${directory}`, nowMs)
    this.#writing = new Outage(`blobs are not kept in ${directory}`, nowMs)
    this.#room = new DirectoryRoom(this.#blobsDirectory, mostBytes, this.#writing.begin)
    void this.#room.look()
  }

  /** An open file, which the caller closes; `undefined` when there is none of that size. */
  async find(digest: Digest, sizeBytes: number): Promise<FileHandle | undefined> {
    const found = await this.#open(digest)
    if (found === undefined || found.sizeBytes === sizeBytes) return found?.file
    await found.file.close()
    await this.drop(digest)
    return undefined
  }

  /** A small blob in memory; its digest has been checked. */
  async read(digest: Digest, mostBytes: number): Promise<Buffer | undefined> {
    const found = await this.#open(digest)
    if (found === undefined) return undefined
    try {
      const bytes = found.sizeBytes <= mostBytes ? await found.file.readFile() : undefined
      if (bytes !== undefined && digestOf(bytes) === digest) return bytes
      if (bytes !== undefined) await this.drop(digest)
    } catch (error) {
      this.failed(error)
    } finally {
      await found.file.close()
    }
    return undefined
  }

  /** For who reads an open file: it could not be read to its end. */
  failed(error: unknown): void {
    this.#reading.begin(error)
  }

  async drop(digest: Digest): Promise<void> {
    await rm(this.#pathOf(digest), { force: true }).catch(this.#writing.begin)
  }

  /** Begins a copy, unless there is a reason not to: its size, a failing disk, or another reader's copy. */
  begin(digest: Digest, sizeBytes: number): NearCopy | undefined {
    const mostBytes = this.#mostBytes * mostPart
    const isHindered = this.#isClosed || this.#writing.isOn || this.#copies.has(digest)
    if (isHindered || sizeBytes > mostBytes) return undefined
    this.#copyCount += 1
    const copy = new NearCopy(
      join(this.#unfinished.path, String(this.#copyCount)),
      this.#pathOf(digest),
      { room: this.#room, outage: this.#writing, mostBytes, nowMs: this.#nowMs },
    )
    this.#copies.set(digest, copy)
    void copy.ended.then(() => this.#copies.delete(digest))
    return copy
  }

  /** Keeps what is written whole, drops the rest of what is being written. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#copies.values().map((copy) => copy.discard()))
    await this.#room.settle()
    await this.#unfinished.release()
  }

  #pathOf(digest: Digest): string {
    return join(this.#blobsDirectory, digestHex(digest))
  }

  async #open(digest: Digest) {
    if (this.#reading.isOn) return undefined
    let file: FileHandle | undefined
    try {
      file = await unlessMissing(open(this.#pathOf(digest)))
      if (file === undefined) return undefined
      const { size, mtimeMs } = await file.stat()
      if (this.#nowMs() - mtimeMs > renewalMs) await this.#renew(file)
      this.#reading.end()
      return { file, sizeBytes: size }
    } catch (error) {
      this.failed(error)
      await file?.close().catch(this.#reading.begin)
      return undefined
    }
  }

  async #renew(file: FileHandle): Promise<void> {
    const now = this.#nowMs() / 1000
    await file.utimes(now, now).catch(this.#writing.begin)
  }
}

/** Makes the directories and removes what dead processes left there unfinished. */
export async function openNearFiles(options: NearFilesOptions): Promise<NearFiles> {
  const { directory } = options
  const unfinished = await guardFilesystem(`cannot use the directory ${directory}`, async () => {
    await mkdir(join(directory, 'blobs'), { recursive: true, mode: 0o700 })
    await sweepDeadOwners(join(directory, 'unfinished'), Date.now())
    return ownDirectory(join(directory, 'unfinished'))
  })
  return new NearFiles(options, unfinished)
}
