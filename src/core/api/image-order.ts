/** What somebody wants to have built, without pulling it: a repository name and a tag. */
export interface OrderRequest {
  readonly name: string
  /** `latest` when it is left out. */
  readonly tag?: string
}

/**
 * An order in the service's care. A name may stand for several platforms, and each is a build; an image
 * that is stored already needs none.
 */
export interface ImageOrder {
  /** 12 hex digits. */
  readonly id: string
  readonly name: string
  readonly tag: string
  readonly placedAtMs: number
  readonly status: 'waiting' | 'served' | 'failed' | 'cancelled'
  /** Ids of the builds that it waits for or waited for, in the order in which they came up. */
  readonly builds: readonly string[]
  /** Of a served order. */
  readonly image?: OrderedImage
  /** Of a failed order: the line that a client of the registry reads, without what a builder printed. */
  readonly message?: string
}

export interface OrderedImage {
  /** Of the manifest, or of the index of several platforms. */
  readonly digest: string
  /** Whether nothing had to be built. */
  readonly cached: boolean
  readonly revision: string
}

/** What placing an order gives. The token cancels it and shows the logs of its builds; it is told once. */
export interface PlacedOrder {
  readonly order: ImageOrder
  readonly token: string
}
