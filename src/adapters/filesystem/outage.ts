// A full disk stays full for a while, and a failing one takes seconds to say so.
const restMs = 60 * 1000

/** A disk that fails is left alone for a minute, again and again; that it fails is said once. */
export class Outage {
  readonly #what: string
  readonly #nowMs: () => number
  #sinceMs = Number.NEGATIVE_INFINITY
  #isTold = false

  /** `what` goes without the disk, for the warning. */
  constructor(what: string, nowMs: () => number) {
    this.#what = what
    this.#nowMs = nowMs
  }

  get isOn(): boolean {
    const restedMs = this.#nowMs() - this.#sinceMs
    // A clock that was set back says nothing about the rest.
    return restedMs >= 0 && restedMs < restMs
  }

  /** Bound, to stand where an error is caught. */
  readonly begin = (error: unknown): void => {
    this.#sinceMs = this.#nowMs()
    if (!this.#isTold) process.emitWarning(`${this.#what} for a while: ${String(error)}`)
    this.#isTold = true
  }

  /** It works again; the next failure is said. */
  end(): void {
    this.#isTold = false
  }
}
