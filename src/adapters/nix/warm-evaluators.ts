import { systemClock } from '#adapters/time/system-clock.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { Nix } from './nix.ts'
import { WarmEvaluator, type WarmQuestion } from './warm-evaluator.ts'

/** One set for each of the two platforms of an image index. */
const mostEvaluators = 2

/** It has some hundred MiB, which the machine may want back. */
const idleMs = 10 * 60_000

/** nixpkgs takes 300 MiB for its first packages; what is above grows with every other one. */
const mostResidentBytes = 1024 ** 3

/** A Nix that cannot be kept cannot be a second later. */
const retryMs = 60_000

/** Evaluators that stay, by what they are asked about. */
export class WarmEvaluators {
  readonly #nix: Nix
  readonly #directory: string
  readonly #clock: Clock
  /** The one used last at the end. */
  readonly #kept = new Map<string, Kept>()
  #isResting = false
  #isClosed = false

  /** `directory` is for what `nix repl` writes where nobody wants it: its history. */
  constructor(nix: Nix, directory: string, clock: Clock = systemClock) {
    this.#nix = nix
    this.#directory = directory
    this.#clock = clock
  }

  /**
   * The answer as JSON, or `undefined` when a process of its own has to give it: because the
   * evaluator is busy or failed, or because the answer is an error. When time is over or nobody
   * waits any more the evaluator ends, which is the only way to stop it.
   */
  async ask(
    question: WarmQuestion,
    argument: unknown,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    signal.throwIfAborted()
    const key = JSON.stringify([question.identity, question.view, question.options])
    const kept = this.#take(key, question)
    if (kept === undefined) return undefined
    const stop = () => void this.#end(key, kept)
    const cancelTimeout = this.#clock.after(timeoutMs, stop)
    signal.addEventListener('abort', stop)
    try {
      return await kept.evaluator.ask(argument)
    } finally {
      cancelTimeout()
      signal.removeEventListener('abort', stop)
      await this.#giveBack(key, kept)
      signal.throwIfAborted()
    }
  }

  /** The next questions go to new ones. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#kept].map(([key, kept]) => this.#end(key, kept)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.endAll()
  }

  #take(key: string, question: WarmQuestion): Kept | undefined {
    if (this.#isResting || this.#isClosed) return undefined
    const known = this.#kept.get(key)
    if (known?.evaluator.hasFailed) void this.#end(key, known)
    else if (known !== undefined) {
      if (known.evaluator.isBusy) return undefined
      known.cancelIdle()
      this.#kept.delete(key)
      this.#kept.set(key, known)
      return known
    }
    if (this.#kept.size >= mostEvaluators && !this.#makeRoom()) return undefined
    const evaluator = new WarmEvaluator(this.#nix, this.#directory, question)
    const kept = { evaluator, cancelIdle: () => {} }
    this.#kept.set(key, kept)
    return kept
  }

  #makeRoom(): boolean {
    const idle = [...this.#kept].find(([, { evaluator }]) => !evaluator.isBusy)
    if (idle === undefined) return false
    void this.#end(...idle)
    return true
  }

  async #giveBack(key: string, kept: Kept): Promise<void> {
    const { evaluator } = kept
    if (evaluator.hasFailed || (await evaluator.residentBytes()) > mostResidentBytes) {
      if (!evaluator.isReady && this.#kept.get(key) === kept) this.#rest()
      return this.#end(key, kept)
    }
    kept.cancelIdle = this.#clock.after(idleMs, () => void this.#end(key, kept))
  }

  /** Nothing is tried for a while. */
  #rest(): void {
    this.#isResting = true
    this.#clock.after(retryMs, () => (this.#isResting = false))
  }

  async #end(key: string, kept: Kept): Promise<void> {
    if (this.#kept.get(key) === kept) this.#kept.delete(key)
    kept.cancelIdle()
    await kept.evaluator.end()
  }
}

interface Kept {
  readonly evaluator: WarmEvaluator
  cancelIdle: () => void
}
