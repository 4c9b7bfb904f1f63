import { systemClock } from '#adapters/time/system-clock.ts'
import type { ObjectUpload } from '../object-store.ts'
import { retry, type RetryTools } from './retry.ts'
import { GrowingPart, type SpooledPart } from './spooled-part.ts'
import type { Spool } from './spool.ts'

/**
 * Where the parts of one upload go. Every method may be called again after it failed, ends soon after
 * its signal is aborted, and throws `STORAGE_BUSY` for what is worth another try; the spool waits
 * and tries again.
 */
export interface PartTarget {
  /** The whole upload, no larger than a part and perhaps empty, under its key in one request. */
  putWhole(key: string, part: SpooledPart, signal: AbortSignal): Promise<void>
  /** One part, counted from 0. Parts come in any order, a few at once; all but the last are full. */
  putPart(number: number, part: SpooledPart, signal: AbortSignal): Promise<void>
  /** Makes parts 0 to `count - 1`, at least two, one object under the key, and drops them. */
  join(key: string, count: number, sizeBytes: number, signal: AbortSignal): Promise<void>
  /** Drops what is stored of parts that were not joined. Called at most once, when all else is done. */
  abandon(): Promise<void>
}

export interface SpooledUploadOptions {
  /** Of every part but the last; 16 MiB unless given. */
  readonly partBytes?: number | undefined
  readonly retry?: RetryTools | undefined
}

// 10,000 parts, as many as S3 takes, make 160 GiB, more than any layer has. A lost connection costs no
// more than this, and memory nothing.
const defaultPartBytes = 16 * 1024 * 1024

// Connections of one upload. One alone rarely fills the line to a bucket, many leave none to others.
const partsAtOnce = 3

const systemRetry: RetryTools = { clock: systemClock, random: Math.random }

/**
 * An upload that sends its bytes in parts while they come, and each part again when that fails. It
 * has up to four parts in the spool: one that is filled and those under way. A part that cannot be
 * stored ends the upload; a failed `publish` can be repeated.
 */
export function spooledUpload(
  spool: Spool,
  target: PartTarget,
  options: SpooledUploadOptions,
  signal: AbortSignal,
): ObjectUpload {
  return new SpooledUpload(spool, target, options, signal)
}

class SpooledUpload implements ObjectUpload {
  readonly #spool: Spool
  readonly #target: PartTarget
  readonly #partBytes: number
  readonly #retry: RetryTools
  /** Aborted with the first error, which all later calls throw. */
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  /** Parts under way; none of these promises rejects. */
  readonly #storing = new Set<Promise<void>>()
  #part: GrowingPart
  /** Of the parts that are stored or under way. */
  #partCount = 0
  #sizeBytes = 0
  #lastCall: Promise<void> = Promise.resolve()
  #publishedKey: string | undefined
  #discarded: Promise<void> | undefined

  constructor(
    spool: Spool,
    target: PartTarget,
    { partBytes = defaultPartBytes, retry = systemRetry }: SpooledUploadOptions,
    signal: AbortSignal,
  ) {
    this.#spool = spool
    this.#target = target
    this.#partBytes = partBytes
    this.#retry = retry
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
    this.#part = this.#newPart()
  }

  write(chunk: Uint8Array): Promise<void> {
    return (this.#lastCall = this.#append(chunk))
  }

  publish(key: string): Promise<void> {
    return (this.#lastCall = this.#finish(key))
  }

  discard(): Promise<void> {
    return (this.#discarded ??= this.#end())
  }

  async #append(chunk: Uint8Array): Promise<void> {
    try {
      for (let rest = chunk; rest.length > 0;) {
        this.#signal.throwIfAborted()
        // Only now, when there is more: a last part is never empty, and one full part is a whole.
        if (this.#part.sizeBytes === this.#partBytes) await this.#handOver()
        const piece = rest.subarray(0, this.#partBytes - this.#part.sizeBytes)
        await this.#part.append(piece, this.#signal)
        this.#sizeBytes += piece.length
        rest = rest.subarray(piece.length)
      }
    } catch (error) {
      this.#ending.abort(error)
      throw error
    }
  }

  async #finish(key: string): Promise<void> {
    this.#signal.throwIfAborted()
    if (this.#publishedKey === key) return
    if (this.#partCount === 0) {
      await this.#try(() => this.#target.putWhole(key, this.#part, this.#signal))
    } else {
      if (this.#part.sizeBytes > 0) await this.#handOver()
      await Promise.all(this.#storing)
      this.#signal.throwIfAborted()
      const [count, sizeBytes] = [this.#partCount, this.#sizeBytes]
      await this.#try(() => this.#target.join(key, count, sizeBytes, this.#signal))
    }
    this.#publishedKey = key
  }

  async #end(): Promise<void> {
    this.#ending.abort(new Error('the upload has been dropped'))
    await Promise.allSettled([this.#lastCall, ...this.#storing])
    await this.#part.drop()
    if (this.#partCount === 0 || this.#publishedKey !== undefined) return
    await this.#target.abandon().catch((error: unknown) => {
      process.emitWarning(`cannot drop the parts of an upload: ${String(error)}`)
    })
  }

  /** Sends the part that is being filled on its way and begins the next one. */
  async #handOver(): Promise<void> {
    while (this.#storing.size === partsAtOnce) await Promise.race(this.#storing)
    this.#signal.throwIfAborted()
    const storing = this.#store(this.#part, this.#partCount).finally(() =>
      this.#storing.delete(storing),
    )
    this.#storing.add(storing)
    this.#partCount += 1
    this.#part = this.#newPart()
  }

  async #store(part: GrowingPart, number: number): Promise<void> {
    try {
      await this.#try(() => this.#target.putPart(number, part, this.#signal))
    } catch (error) {
      this.#ending.abort(error)
    }
    await part.drop()
  }

  #try(work: () => Promise<void>): Promise<void> {
    return retry(work, this.#retry, this.#signal)
  }

  #newPart(): GrowingPart {
    return new GrowingPart(this.#spool, this, this.#partBytes)
  }
}
