import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryRoom } from '#adapters/filesystem/directory-room.ts'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import type { SegmentShare } from './segment-cache.ts'

// One huge store path must not drive everything else away.
const mostPart = 1 / 4

// The cell counts up to 2 TiB.
const mostRoomKibibytes = 2 ** 31 - 1

export interface SegmentDirectoryOptions {
  /** On local disk; several processes may share it. */
  readonly directory: string
  readonly mostBytes: number
}

/**
 * The directory of segments, kept within a bound:
 *
 *     kept/<sha256 hex>                       whole when they were written; the time says when they were used
 *     unfinished/<owner>/<ring>-<thread>-<n>  being written by a thread of a ring
 */
export class SegmentDirectory {
  readonly #keptDirectory: string
  /** See `SegmentShare`. */
  readonly #roomCell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #unfinished: OwnedDirectory
  readonly #room: DirectoryRoom
  #isMakingRoom = false

  constructor({ directory, mostBytes }: SegmentDirectoryOptions, unfinished: OwnedDirectory) {
    this.#keptDirectory = join(directory, 'kept')
    this.#unfinished = unfinished
    this.#room = new DirectoryRoom(this.#keptDirectory, mostBytes, (error) =>
      process.emitWarning(`${this.#keptDirectory} cannot be looked through: ${String(error)}`),
    )
    this.#tellRoom()
    void this.#room.look().then(() => this.#tellRoom())
  }

  /** For a thread, whose name begins with that of its ring; no other has it. */
  share(thread: string): SegmentShare {
    return {
      keptDirectory: this.#keptDirectory,
      unfinishedPrefix: join(this.#unfinished.path, thread),
      room: this.#roomCell,
    }
  }

  /** Removes what the threads of a ring have left, once they have ended. Never rejects. */
  async sweep(ring: string): Promise<void> {
    const directory = this.#unfinished.path
    try {
      const names = (await unlessMissing(readdir(directory))) ?? []
      const left = names.filter((name) => name.startsWith(`${ring}-`))
      await Promise.all(left.map((name) => rm(join(directory, name), { force: true })))
    } catch (error) {
      process.emitWarning(`unfinished segments stay in ${directory}: ${String(error)}`)
    }
  }

  /** For who writes: there is a new file. When files come too fast, no more are written for a while. */
  added(sizeBytes: number): void {
    this.#room.add(sizeBytes)
    if (this.#room.keepsUp) this.#tellRoom()
    else if (!this.#isMakingRoom) void this.#makeRoom()
  }

  async close(): Promise<void> {
    await this.#room.settle()
    await this.#unfinished.release()
  }

  async #makeRoom(): Promise<void> {
    this.#isMakingRoom = true
    Atomics.store(this.#roomCell, 0, 0)
    while (!this.#room.keepsUp) await this.#room.look()
    this.#isMakingRoom = false
    this.#tellRoom()
  }

  #tellRoom(): void {
    if (this.#isMakingRoom) return
    const kibibytes = Math.floor((this.#room.boundBytes * mostPart) / 1024)
    // Never none, so that small segments go on telling of a disk that has become free again.
    Atomics.store(this.#roomCell, 0, Math.max(1, Math.min(kibibytes, mostRoomKibibytes)))
  }
}

/** Makes the directories and removes what dead processes left there unfinished. */
export async function openSegmentDirectory(
  options: SegmentDirectoryOptions,
): Promise<SegmentDirectory> {
  const { directory } = options
  const unfinished = await guardFilesystem(`cannot use the directory ${directory}`, async () => {
    await mkdir(join(directory, 'kept'), { recursive: true, mode: 0o700 })
    await sweepDeadOwners(join(directory, 'unfinished'), Date.now())
    return ownDirectory(join(directory, 'unfinished'))
  })
  return new SegmentDirectory(options, unfinished)
}
