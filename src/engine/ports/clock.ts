/** Time, as the flow needs it. */
export interface Clock {
  /** Calls back once after the delay; the result cancels it. */
  after(delayMs: number, callback: () => void): () => void
}
