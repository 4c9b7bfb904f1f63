import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryRoom } from '#adapters/filesystem/directory-room.ts'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
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
 *     kept/<sha256 hex>        whole when they were written; the time says when they were used
 *     unfinished/<owner>/<id>  being written
 */
export class SegmentDirectory {
  readonly share: SegmentShare
  readonly #unfinished: OwnedDirectory
  readonly #room: DirectoryRoom
  #isMakingRoom = false

  constructor({ directory, mostBytes }: SegmentDirectoryOptions, unfinished: OwnedDirectory) {
    const keptDirectory = join(directory, 'kept')
    this.#unfinished = unfinished
    this.#room = new DirectoryRoom(keptDirectory, mostBytes, (error) =>
      process.emitWarning(`${keptDirectory} cannot be looked through: ${String(error)}`),
    )
    this.share = {
      keptDirectory,
      unfinishedDirectory: unfinished.path,
      room: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    }
    this.#tellRoom()
    void this.#room.look().then(() => this.#tellRoom())
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
    Atomics.store(this.share.room, 0, 0)
    while (!this.#room.keepsUp) await this.#room.look()
    this.#isMakingRoom = false
    this.#tellRoom()
  }

  #tellRoom(): void {
    if (this.#isMakingRoom) return
    const kibibytes = Math.floor((this.#room.boundBytes * mostPart) / 1024)
    // Never none, so that small segments go on telling of a disk that has become free again.
    Atomics.store(this.share.room, 0, Math.max(1, Math.min(kibibytes, mostRoomKibibytes)))
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
