import type { StorePath } from '#core/nix/store-path.ts'

/** Store paths that share one layer; sorted. */
export interface LayerGroup {
  readonly paths: readonly StorePath[]
  /** What the scheme orders groups by; summed over what was merged, which comes first all the same. */
  readonly mergeRating: number
  readonly narSizeBytes: number
}

/**
 * Every store path of a closure in exactly one group, at most as many groups as the budget; what is
 * most worth a layer of its own comes last, and is the bottom of the image.
 */
export interface LayerPlan {
  readonly groups: readonly LayerGroup[]
}
