import { strict as assert } from 'node:assert'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import type { LayerGroup, LayerPlan } from './layer-plan.ts'

// A layer is shared by images that have exactly the same store paths in it. So what decides about a
// path is the path itself and not what else is in the image: it has a layer of its own, or shares one
// with all that are small or beyond the budget. `docs/layering.md` has what that saves, and what was
// tried beside it.
//
//    path          size      refers to    rating     budget 9         budget 3
//    git           45 MB     8 others     15 M       {git}            {git}
//    libc6         15 MB     1            11 M       {libc6}          {libc6}
//    curl         500 KB     3            250 K      {curl}           {curl hostname}
//    hostname      50 KB     1            35 K       {hostname}

/**
 * Smaller paths share a layer: one of this size is about 48 KiB when it is compressed, less than the
 * 64 KiB that `bench/layering` counts for the request that would fetch it alone.
 */
const smallPathBytes = 128 * 1024

/**
 * Distributes a closure over at most `budget` groups. The same closure gives the same plan in
 * whatever order its nodes come.
 */
export function planStableLayers({ nodes }: ClosureGraph, budget: number): LayerPlan {
  assert.ok(Number.isSafeInteger(budget) && budget >= 1, `layer budget ${budget} is at least 1`)
  const ordered = nodes.toSorted(compareNodes)
  const big = ordered.filter(({ narSizeBytes }) => narSizeBytes >= smallPathBytes)
  const small = ordered.filter(({ narSizeBytes }) => narSizeBytes < smallPathBytes)
  const isRoomForAll = big.length + Math.min(1, small.length) <= budget
  const alone = isRoomForAll ? big : big.slice(0, budget - 1)
  const together = [...small, ...big.slice(alone.length)]
  const groups = [together, ...alone.toReversed().map((node) => [node])]
  return { groups: groups.filter((group) => group.length > 0).map(makeGroup) }
}

/**
 * The highest rated come first. They are at the bottom of an image, because Docker downloads every
 * layer anew above one that it does not have.
 */
function compareNodes(one: ClosureNode, other: ClosureNode): number {
  return rate(other) - rate(one) || (one.path < other.path ? -1 : 1)
}

/**
 * How much a layer of its own saves: a path changes when something changes that it refers to, so one
 * that refers to little is more likely to be the same in the next image.
 */
function rate({ narSizeBytes, references }: ClosureNode): number {
  return narSizeBytes / Math.sqrt(1 + references.length)
}

function makeGroup(nodes: readonly ClosureNode[]): LayerGroup {
  return {
    paths: nodes.map(({ path }) => path).toSorted(),
    mergeRating: nodes.reduce((sum, node) => sum + rate(node), 0),
    narSizeBytes: nodes.reduce((sum, node) => sum + node.narSizeBytes, 0),
  }
}
