/** Time, as the flow needs it. */
export interface Clock {
  /** Milliseconds from a fixed moment; never runs backwards. */
  now(): number
  /** Calls back once after the delay; the result cancels it. */
  after(delayMs: number, callback: () => void): () => void
}
