import { opendir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from './filesystem-error.ts'

// After this part of the bound was written the directory is looked through again: other processes may
// have written as much. Files are removed down to as much below it, so that this is rare, too.
const slack = 1 / 8

// What is being written cannot be removed to make room.
const mostUnfinished = 1 / 2

// Of what would be free without the files, so that a cache never takes the disk from what fills it:
// images are stored beside it.
const mostPartOfDisk = 1 / 4

// The smallest file takes a block.
const leastFileBytes = 4096

interface KeptFile {
  readonly path: string
  readonly sizeBytes: number
  readonly usedMs: number
}

/**
 * Keeps the files of a directory within a bound; those that were used longest ago go first. The
 * directory itself says what is there, and the time of a file when it was used: so it outlives the
 * process, and several may share it, each of them a quarter and what it writes over the bound at most.
 * How full the disk is counts as it was at the last look.
 */
export class DirectoryRoom {
  readonly #directory: string
  readonly #mostBytes: number
  readonly #report: (error: unknown) => void
  #boundBytes: number
  /** What was there at the last look, and what this process has kept since. */
  #keptBytes = 0
  #newBytes = 0
  #unfinishedBytes = 0
  #look: Promise<void> | undefined

  constructor(directory: string, mostBytes: number, report: (error: unknown) => void) {
    this.#directory = directory
    this.#mostBytes = mostBytes
    this.#boundBytes = mostBytes
    this.#report = report
  }

  /** What the files may take; less than was asked for while the disk has little room. */
  get boundBytes(): number {
    return this.#boundBytes
  }

  /** Room for bytes of a file that is being written; false when too much is, or while room is made. */
  take(sizeBytes: number): boolean {
    this.#makeRoom()
    const unfinishedBytes = this.#unfinishedBytes + sizeBytes
    const hasRoom = unfinishedBytes <= this.#mostBytes * mostUnfinished && this.keepsUp
    if (hasRoom) this.#unfinishedBytes = unfinishedBytes
    return hasRoom
  }

  /** False when files come faster than a look, which takes its time, removes others. */
  get keepsUp(): boolean {
    return this.#newBytes <= this.#boundBytes * slack
  }

  giveBack(sizeBytes: number): void {
    this.#unfinishedBytes -= sizeBytes
  }

  /** The bytes that were taken are a file of the directory now. */
  keep(sizeBytes: number): void {
    this.giveBack(sizeBytes)
    this.add(sizeBytes)
  }

  /** The directory has a new file, for which nothing was taken. */
  add(sizeBytes: number): void {
    this.#keptBytes += Math.max(sizeBytes, leastFileBytes)
    this.#newBytes += Math.max(sizeBytes, leastFileBytes)
    this.#makeRoom()
  }

  /** Looks through the directory and removes what is too much; one look at a time. */
  look(): Promise<void> {
    this.#look ??= this.#lookThrough()
      .catch(this.#report)
      .finally(() => (this.#look = undefined))
    return this.#look
  }

  /** Waits for the look that is under way. */
  async settle(): Promise<void> {
    await this.#look
  }

  #makeRoom(): void {
    const isFull = this.#keptBytes + this.#unfinishedBytes > this.#boundBytes
    if (isFull || this.#newBytes > this.#boundBytes * slack) void this.look()
  }

  async #lookThrough(): Promise<void> {
    this.#newBytes = 0
    const files = await listFiles(this.#directory)
    let keptBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
    this.#boundBytes = await this.#findBound(keptBytes)
    if (keptBytes + this.#unfinishedBytes > this.#boundBytes) {
      const wantedBytes = this.#boundBytes * (1 - slack) - this.#unfinishedBytes
      for (const file of files.sort((a, b) => a.usedMs - b.usedMs)) {
        if (keptBytes <= wantedBytes) break
        await rm(file.path, { force: true })
        keptBytes -= file.sizeBytes
      }
    }
    // What was kept meanwhile may be among the files; it is counted twice rather than not at all.
    this.#keptBytes = keptBytes + this.#newBytes
  }

  async #findBound(keptBytes: number): Promise<number> {
    const { blocks, bavail, bsize } = await statfs(this.#directory)
    // File systems without a size of their own say that they have no blocks.
    if (blocks === 0) return this.#mostBytes
    return Math.min(this.#mostBytes, (keptBytes + bavail * bsize) * mostPartOfDisk)
  }
}

async function listFiles(directory: string): Promise<KeptFile[]> {
  const files: KeptFile[] = []
  for await (const { name } of await opendir(directory)) {
    const path = join(directory, name)
    const info = await unlessMissing(stat(path))
    // What is none of ours must not keep the rest from being removed.
    if (info?.isFile() === true)
      files.push({
        path,
        sizeBytes: Math.max(info.size, leastFileBytes),
        usedMs: info.mtimeMs,
      })
  }
  return files
}
