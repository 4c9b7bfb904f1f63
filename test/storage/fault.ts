/** What a plan knows of a request when it decides. */
export interface ProxiedRequest {
  /** Counted from 0 over all connections. */
  readonly number: number
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Of the body; 0 where there is none, or none that says its length. */
  readonly bodyBytes: number
  readonly range: string | undefined
}

export interface FaultAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What goes wrong with one request. */
export type Fault =
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** The bucket is asked when this resolves. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** The proxy answers in the bucket's place; the bucket hears nothing of it. */
  | { readonly kind: 'answer'; readonly answer: FaultAnswer }
  /**
   * The connection ends (FIN) or is reset (RST) on both sides, after so many bytes of the request's
   * body or at its end, before anything is answered.
   */
  | { readonly kind: 'cut' | 'reset'; readonly afterBytes: number }
  /** The bucket does what it was asked; the connection is reset instead of telling so. */
  | { readonly kind: 'lose-answer' }
  /** The answer's body ends after so many bytes, or one byte before its end; none without a body. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** Takes the request and says nothing until somebody gives up. */
  | { readonly kind: 'black-hole' }

/** Decides on each request; `undefined` lets it pass. */
export type FaultPlan = (request: ProxiedRequest) => Fault | undefined

export const withoutFaults: FaultPlan = () => undefined
