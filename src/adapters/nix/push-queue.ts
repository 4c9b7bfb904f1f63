import type { StorePath } from '#core/nix/store-path.ts'
import type { Clock } from '#engine/ports/clock.ts'

/** What became of store paths that were to be copied to a cache. */
export type PushEvent =
  | { readonly kind: 'pushed'; readonly paths: readonly StorePath[] }
  /** The message is one line without secrets. */
  | {
      readonly kind: 'push-failed'
      readonly paths: readonly StorePath[]
      readonly message: string
      readonly attempts: number
    }
  /** Never tried, because too many waited or the service ended. */
  | { readonly kind: 'not-pushed'; readonly paths: readonly StorePath[] }

export interface PushQueueOptions {
  /** Copies paths with their closures; the message of a failure, or nothing. Never rejects. */
  readonly copy: (paths: readonly StorePath[], signal: AbortSignal) => Promise<string | undefined>
  readonly report: (event: PushEvent) => void
  readonly clock: Clock
  /** How long `close` lets copying go on. */
  readonly closeGraceMs: number
}

/** A burst of builds; each brings some hundred paths at most. */
const maxWaiting = 100

/** 8 MB of paths. One that is forgotten is asked for at the cache again, which costs little. */
const maxRemembered = 100_000

/** Before the second and the third attempt: a cache that is restarted is back by then. */
const retryDelaysMs: readonly number[] = [5_000, 60_000]

/** Copies store paths to a cache in the background, one set at a time, each path once. */
export class PushQueue {
  readonly #options: PushQueueOptions
  readonly #ending = new AbortController()
  /** In the order in which they were pushed. */
  readonly #known = new Set<StorePath>()
  #waiting: (readonly StorePath[])[] = []
  #running: Promise<void> | undefined
  #closed = false

  constructor(options: PushQueueOptions) {
    this.#options = options
  }

  /** Never waits and never throws. */
  push(paths: readonly StorePath[]): void {
    const fresh = [...new Set(paths)].filter((path) => !this.#known.has(path))
    if (fresh.length === 0) return
    if (this.#waiting.length >= maxWaiting || this.#closed) {
      this.#options.report({ kind: 'not-pushed', paths: fresh })
      return
    }
    this.#remember(fresh)
    this.#waiting.push(fresh)
    this.#running ??= this.#run()
  }

  /** Takes no more, and ends when everything is pushed or the grace is over. */
  async close(): Promise<void> {
    this.#closed = true
    const cancel = this.#options.clock.after(this.#options.closeGraceMs, () => this.#ending.abort())
    await this.#running
    cancel()
  }

  async #run(): Promise<void> {
    for (let paths = this.#waiting.shift(); paths; paths = this.#waiting.shift()) {
      const event = await this.#push(paths)
      if (event.kind !== 'pushed') for (const path of paths) this.#known.delete(path)
      this.#options.report(event)
    }
    this.#running = undefined
  }

  async #push(paths: readonly StorePath[]): Promise<PushEvent> {
    const { signal } = this.#ending
    for (let attempts = 0; !signal.aborted;) {
      const message = await this.#options.copy(paths, signal)
      attempts += 1
      if (message === undefined) return { kind: 'pushed', paths }
      const delayMs = retryDelaysMs[attempts - 1]
      if (delayMs === undefined || signal.aborted) {
        return { kind: 'push-failed', paths, message, attempts }
      }
      await this.#wait(delayMs)
    }
    return { kind: 'not-pushed', paths }
  }

  /** Ends early when the service ends. */
  #wait(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { signal } = this.#ending
    const stop = () => resolve()
    const cancel = this.#options.clock.after(delayMs, stop)
    signal.addEventListener('abort', stop)
    return promise.finally(() => {
      cancel()
      signal.removeEventListener('abort', stop)
    })
  }

  #remember(paths: readonly StorePath[]): void {
    for (const path of paths) this.#known.add(path)
    for (const oldest of this.#known) {
      if (this.#known.size <= maxRemembered) break
      this.#known.delete(oldest)
    }
  }
}
