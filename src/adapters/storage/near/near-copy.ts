import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import type { NearRoom } from './near-room.ts'
import type { Outage } from './outage.ts'

export interface NearCopyTools {
  readonly room: NearRoom
  readonly outage: Outage
  /** Copies that turn out to be larger are given up. */
  readonly mostBytes: number
  readonly nowMs: () => number
}

/**
 * A copy that is written while somebody else reads. Nothing of it ever fails: a copy that cannot be
 * made is given up, and the reader does not notice. Ends with `keep` or `discard`.
 */
export class NearCopy {
  readonly #unfinishedPath: string
  readonly #path: string
  readonly #tools: NearCopyTools
  #file: FileHandle | undefined
  #sizeBytes = 0
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

  /** Resolves when the chunk may change again. */
  write(chunk: Uint8Array): Promise<void> {
    return this.#do(async () => {
      const { room, mostBytes } = this.#tools
      const isTooLarge = this.#sizeBytes + chunk.length > mostBytes
      if (isTooLarge || !room.take(chunk.length)) return this.#giveUp()
      this.#sizeBytes += chunk.length
      const file = await this.#open()
      await file.writeFile(chunk)
    })
  }

  /** All is written and right: gives the file its name. */
  keep(): Promise<void> {
    return this.#do(async () => {
      const file = await this.#open()
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

  async #open(): Promise<FileHandle> {
    return (this.#file ??= await open(this.#unfinishedPath, 'wx', 0o600))
  }

  async #giveUp(): Promise<void> {
    this.#isOver = true
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
