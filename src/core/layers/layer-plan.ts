import type { StorePath } from '#core/nix/store-path.ts'

/** Store paths that share one layer; sorted. */
export interface LayerGroup {
  readonly paths: readonly StorePath[]
  /** Popularity times size, summed over what was merged; the plan orders groups by it. */
  readonly mergeRating: number
  readonly narSizeBytes: number
}

/** Every store path of a closure in exactly one group, at most as many groups as the budget. */
export interface LayerPlan {
  readonly groups: readonly LayerGroup[]
}
