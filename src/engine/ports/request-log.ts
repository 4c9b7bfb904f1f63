/** Learns what clients asked for and got. Must not throw; must return at once. */
export interface RequestLog {
  request(facts: RequestFacts): void
  /** An error that the operator must look at. */
  failure(error: unknown, facts: { readonly method: string; readonly path: string }): void
}

export interface RequestFacts {
  readonly method: string
  readonly path: string
  /** 499 when the client hung up before there was one. */
  readonly status: number
  readonly sentBytes: number
  readonly durationMs: number
  readonly userAgent: string
  /** The named package source that the answer was made from. */
  readonly source?: string
  /** Of the package source that the answer was made from. */
  readonly revision?: string
  /** When the source's origin was there last; only while it is not. */
  readonly staleSince?: string
  /** What a refused client was told, in one line. */
  readonly reason?: string
  /** Platforms that the index made for this request goes without. */
  readonly leftOut?: readonly string[]
  /** False when the client hung up before the end of the response. */
  readonly complete: boolean
}
