import { systemClock } from '#adapters/time/system-clock.ts'
import { abortable } from '#engine/abortable.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { Nix } from './nix.ts'
import { StoreSession } from './store-session.ts'

/** The store answers in milliseconds, but a large registration may hold its lock. */
const answerTimeoutMs = 30_000

/** A machine without nix-daemon has none a second later, and one that is full is not empty then. */
const retryMs = 60_000

/** A session holds what it was asked to hold until it ends, and a collector is to have its turn. */
const idleMs = 30_000

/** The same for a service that is never idle; a session takes 50 ms of processor time. */
const mostTemporaryRoots = 2_000

/**
 * Asks the store through one session. One that was idle for a while, has held much, or failed makes
 * way for another. A question that no session answers is no error: whoever asks runs a command
 * instead, and what a command says has the right words.
 */
export class StoreQuestions {
  readonly #nix: Nix
  readonly #clock: Clock
  #session: StoreSession | undefined
  #asking = 0
  #cancelIdle = () => {}
  #isResting = false
  #isClosed = false

  constructor(nix: Nix, clock: Clock = systemClock) {
    this.#nix = nix
    this.#clock = clock
  }

  /**
   * The answer, or `undefined` when no session could give it. Everything that one question asks is
   * asked of one session.
   */
  ask<T>(
    question: (session: StoreSession) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    signal.throwIfAborted()
    // It goes on when its asker has left: the session is everybody's.
    return abortable(this.#answer(question), signal)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#end()
  }

  async #answer<T>(question: (session: StoreSession) => Promise<T>): Promise<T | undefined> {
    this.#cancelIdle()
    this.#asking += 1
    try {
      // A session may have lost its daemon while it was idle.
      const wasIdle = this.#session !== undefined
      const answer = await this.#tryAnswer(question)
      return answer === undefined && wasIdle
        ? (await this.#tryAnswer(question))?.value
        : answer?.value
    } finally {
      this.#asking -= 1
      if (this.#asking === 0) await this.#letGo()
    }
  }

  async #tryAnswer<T>(
    question: (session: StoreSession) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    if (this.#isResting || this.#isClosed) return undefined
    const session = (this.#session ??= new StoreSession(this.#nix))
    const cancel = this.#clock.after(answerTimeoutMs, () => void session.end())
    try {
      return { value: await question(session) }
    } catch (error) {
      if (!session.hasEnded) throw error
      if (this.#session === session) this.#session = undefined
      if (!session.isOpen) this.#rest()
      return undefined
    } finally {
      cancel()
    }
  }

  /** Nothing is tried for a while. */
  #rest(): void {
    if (this.#isResting) return
    this.#isResting = true
    this.#clock.after(retryMs, () => (this.#isResting = false))
  }

  async #letGo(): Promise<void> {
    if (this.#session === undefined) return
    if (this.#session.temporaryRoots >= mostTemporaryRoots) await this.#end()
    else this.#cancelIdle = this.#clock.after(idleMs, () => void this.#end())
  }

  async #end(): Promise<void> {
    this.#cancelIdle()
    const session = this.#session
    this.#session = undefined
    await session?.end()
  }
}
