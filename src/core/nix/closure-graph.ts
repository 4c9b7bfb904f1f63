import type { StorePath } from './store-path.ts'

/** One store path of a closure, as Nix's database describes it. */
export interface ClosureNode {
  readonly path: StorePath
  /** Size of the path's NAR archive; the weight of a path in the layer plan. */
  readonly narSizeBytes: number
  /** Other store paths that this one refers to; sorted, without itself. */
  readonly references: readonly StorePath[]
}

/** Store paths with everything they refer to, directly or not. */
export interface ClosureGraph {
  /** The paths that were asked for; sorted. */
  readonly roots: readonly StorePath[]
  /** Every path of the closure, sorted by path; references never leave this list. */
  readonly nodes: readonly ClosureNode[]
}
