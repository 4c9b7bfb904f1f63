import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import type { DirectoryRoom } from '#adapters/filesystem/directory-room.ts'
import type { Outage } from '#adapters/filesystem/outage.ts'

export interface NearCopyTools {
  readonly room: DirectoryRoom
  readonly outage: Outage
  /** Copies that turn out to be larger are given up. */
  readonly mostBytes: number
  readonly nowMs: () => number
}

// Connections give 16 KiB and more at a time; a write costs as much as copying that.
const writeBytes = 256 * 1024

/**
 * A copy that is written while somebody else reads. Nothing of it ever fails: a copy that cannot be
 * made is given up, and the reader does not notice. Ends with `keep` or `discard`.
 */
export class NearCopy {
  readonly #unfinishedPath: string
  readonly #path: string
  readonly #tools: NearCopyTools
  #file: FileHandle | undefined
  /** All that came; the end of it is not written yet. */
  #sizeBytes = 0
  readonly #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #isOver = false
  readonly #ended = Promise.withResolvers<void>()
  /** One step after the other, whoever asks for them when. */
  #steps: Promise<void> = Promise.resolve()

  constructor(unfinishedPath: string, path: string, tools: NearCopyTools) {
    this.#unfinishedPath = unfinishedPath
    this.#path = path
    this.#tools = tools
  }

  /** Resolves when the copy is kept or nothing is left of it. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Takes the chunk over, which nobody changes any more; resolves when the disk can take the next one. */
  write(chunk: Uint8Array): Promise<void> {
    return this.#do(async () => {
      const { room, mostBytes } = this.#tools
      const isTooLarge = this.#sizeBytes + chunk.length > mostBytes
      if (isTooLarge || !room.take(chunk.length)) return this.#giveUp()
      this.#sizeBytes += chunk.length
      this.#gathered.push(chunk)
      this.#gatheredBytes += chunk.length
      if (this.#gatheredBytes >= writeBytes) await this.#write()
    })
  }

  /** All is written and right: gives the file its name. */
  keep(): Promise<void> {
    return this.#do(async () => {
      const file = await this.#write()
      const now = this.#tools.nowMs() / 1000
      await file.utimes(now, now)
      // A name must not survive a power cut that the bytes do not.
      await file.datasync()
      await this.#close()
      await rename(this.#unfinishedPath, this.#path)
      this.#isOver = true
      this.#tools.room.keep(this.#sizeBytes)
      this.#tools.outage.end()
    })
  }

  discard(): Promise<void> {
    return this.#do(() => this.#giveUp())
  }

  #do(step: () => Promise<void>): Promise<void> {
    this.#steps = this.#doAfter(this.#steps, step)
    return this.#steps
  }

  async #doAfter(earlier: Promise<void>, step: () => Promise<void>): Promise<void> {
    await earlier
    if (this.#isOver) return
    try {
      await step()
    } catch (error) {
      this.#tools.outage.begin(error)
      if (!this.#isOver) await this.#giveUp().catch(this.#tools.outage.begin)
    }
    if (this.#isOver) this.#ended.resolve()
  }

  async #write(): Promise<FileHandle> {
    this.#file ??= await open(this.#unfinishedPath, 'wx', 0o600)
    const chunks = this.#gathered.splice(0)
    this.#gatheredBytes = 0
    await this.#file.writeFile(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    return this.#file
  }

  async #giveUp(): Promise<void> {
    this.#isOver = true
    this.#gathered.length = 0
    this.#tools.room.giveBack(this.#sizeBytes)
    await this.#close()
    await rm(this.#unfinishedPath, { force: true })
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
