import { BoundedMap } from '#core/memory/bounded-map.ts'
import type { Digest } from '#core/oci/digest.ts'
import type { BlobFile, BlobReader } from '#engine/ports/blob-store.ts'
import type { Clock } from '#engine/ports/clock.ts'

export interface SoundFilesOptions {
  readonly clock: Clock
  /** Of any beginning; never set back. */
  readonly nowMs: () => number
}

interface Mark {
  readonly identity: string
  readonly untilMs: number
}

interface HeldFile {
  readonly file: BlobFile
  readers: number
  idleSinceMs: number
}

// What a disk does to a file by itself changes no time of it, so everything is compared again after that.
const markLifeMs = 60 * 60 * 1000

// The blobs of a thousand images; 3 MB.
const mostMarks = 10_000

// The layers of an image that many pull at once. A process may have at least a thousand open.
const mostHeld = 64

// A pull asks for its blobs within moments; a removed file takes room until it is closed.
const idleMs = 2000

/**
 * Which files were found to hold what their names say, and a few of them open. A file is known by its
 * identity, which changes with every byte that is written to it: comparing that with every request
 * replaces SHA-256 over every byte.
 */
export class SoundFiles {
  readonly #openFile: NonNullable<BlobReader['openFile']>
  readonly #clock: Clock
  readonly #nowMs: () => number
  readonly #marks = new BoundedMap<Digest, Mark>(mostMarks)
  readonly #held = new Map<Digest, HeldFile>()
  #isSweeping = false

  constructor(openFile: NonNullable<BlobReader['openFile']>, { clock, nowMs }: SoundFilesOptions) {
    this.#openFile = openFile
    this.#clock = clock
    this.#nowMs = nowMs
  }

  /** Which file it is that is about to be read; `undefined` when that could not be told later. */
  async identify(digest: Digest, signal: AbortSignal): Promise<string | undefined> {
    const file = await this.#openFile(digest, signal)
    await file?.close()
    return file?.isSettled === true ? file.identity : undefined
  }

  /** Remembers that all of a file was right, if it is still the one that was about to be read. */
  async mark(digest: Digest, identity: string, signal: AbortSignal): Promise<void> {
    if ((await this.identify(digest, signal)) !== identity) return
    this.#marks.set(digest, { identity, untilMs: this.#nowMs() + markLifeMs })
  }

  /** A marked file, for several readers at once. */
  open(digest: Digest): BlobFile | undefined | Promise<BlobFile | undefined> {
    const mark = this.#marks.get(digest)
    if (mark === undefined) return undefined
    const held = this.#held.get(digest)
    const isGood = this.#nowMs() < mark.untilMs && held?.file.isUnchanged() !== false
    if (!isGood) {
      this.#forget(digest)
      return undefined
    }
    return held === undefined ? this.#openMarked(digest, mark) : this.#read(digest, held)
  }

  async #openMarked(digest: Digest, { identity }: Mark): Promise<BlobFile | undefined> {
    const file = await this.#openFile(digest, nobodysSignal)
    if (file === undefined) {
      this.#forget(digest)
      return undefined
    }
    const held = this.#held.get(digest)
    if (file.identity === identity && held === undefined) {
      const opened: HeldFile = { file, readers: 0, idleSinceMs: this.#nowMs() }
      this.#held.set(digest, opened)
      return this.#read(digest, opened)
    }
    await file.close()
    if (file.identity === identity && held !== undefined) return this.#read(digest, held)
    this.#forget(digest)
    return undefined
  }

  #read(digest: Digest, held: HeldFile): BlobFile {
    const { file } = held
    held.readers += 1
    let isOpen = true
    return {
      sizeBytes: file.sizeBytes,
      identity: file.identity,
      isSettled: file.isSettled,
      isUnchanged: () => file.isUnchanged(),
      read: (into, position) => file.read(into, position),
      pass: (descriptor, position, mostBytes) => file.pass?.(descriptor, position, mostBytes),
      close: async () => {
        if (!isOpen) return
        isOpen = false
        held.readers -= 1
        if (held.readers === 0) await this.#idle(digest, held)
      },
    }
  }

  async #idle(digest: Digest, held: HeldFile): Promise<void> {
    const isKept = this.#held.get(digest) === held
    if (isKept && this.#held.size <= mostHeld) {
      held.idleSinceMs = this.#nowMs()
      this.#sweepLater()
      return
    }
    if (isKept) this.#held.delete(digest)
    await held.file.close()
  }

  /** Its readers go on with what they have; the last one closes it. */
  #forget(digest: Digest): void {
    this.#marks.delete(digest)
    const held = this.#held.get(digest)
    if (held === undefined) return
    this.#held.delete(digest)
    if (held.readers === 0) closeLater(held.file)
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    this.#clock.after(idleMs, () => {
      this.#isSweeping = false
      this.#sweep()
    })
  }

  #sweep(): void {
    for (const [digest, { file, readers, idleSinceMs }] of this.#held) {
      if (readers > 0) continue
      if (this.#nowMs() - idleSinceMs < idleMs) {
        this.#sweepLater()
        continue
      }
      this.#held.delete(digest)
      closeLater(file)
    }
  }
}

// An opening takes no time worth giving up.
const { signal: nobodysSignal } = new AbortController()

/** Nobody waits for it, and nobody can do anything about a file that does not close. */
function closeLater(file: BlobFile): void {
  file.close().catch((error: unknown) => process.emitWarning(String(error)))
}
