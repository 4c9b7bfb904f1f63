import { strict as assert } from 'node:assert'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import type { LayerGroup, LayerPlan } from './layer-plan.ts'
import { countReferrers } from './popularity.ts'

// A layer is shared by images that have exactly the same store paths in it. So what decides about a
// path is the path itself and not what else is in the image: it has a layer of its own, or shares one
// with all that are small or beyond the budget. The closure only decides which layer lies on which.
// `docs/layering.md` has what that saves, and what was tried beside it.
//
//    path         size    refers to    worth    needed by    budget 9      budget 3
//    libc6       15 MB    1             11 M    9 others     {libc6}       {libc6}
//    git         45 MB    8 others      15 M    none         {git}         {git}
//    curl       500 KB    3            250 K    1            {curl}        {curl hostname}
//    hostname    50 KB    1             35 K    1            {hostname}

/**
 * Smaller paths share a layer: one of this size is about 48 KiB when it is compressed, less than the
 * 64 KiB that `bench/layering` counts for the request that would fetch it alone.
 */
const smallPathBytes = 128 * 1024

/**
 * Distributes a closure over at most `budget` groups. The same closure gives the same plan in
 * whatever order its nodes come.
 */
export function planStableLayers(graph: ClosureGraph, budget: number): LayerPlan {
  assert.ok(Number.isSafeInteger(budget) && budget >= 1, `layer budget ${budget} is at least 1`)
  const ordered = graph.nodes.toSorted(compareWorth)
  const big = ordered.filter(({ narSizeBytes }) => narSizeBytes >= smallPathBytes)
  const small = ordered.filter(({ narSizeBytes }) => narSizeBytes < smallPathBytes)
  const isRoomForAll = big.length + Math.min(1, small.length) <= budget
  const alone = isRoomForAll ? big : big.slice(0, budget - 1)
  const together = [...small, ...big.slice(alone.length)]

  const ratings = rateOrder(graph)
  const groups = alone.map((node) => makeGroup([node], ratings)).toSorted(compareGroups)
  return { groups: together.length === 0 ? groups : [makeGroup(together, ratings), ...groups] }
}

function compareWorth(one: ClosureNode, other: ClosureNode): number {
  return worth(other) - worth(one) || (one.path < other.path ? -1 : 1)
}

/**
 * What a layer of its own saves: a path changes when something changes that it refers to, so one that
 * refers to little is more likely to be the same in the next image.
 */
function worth({ narSizeBytes, references }: ClosureNode): number {
  return narSizeBytes / Math.sqrt(1 + references.length)
}

/**
 * Docker downloads every layer anew above one that it does not have, so what is big, changes rarely and
 * is in many images belongs to the bottom.
 */
function rateOrder(graph: ClosureGraph): ReadonlyMap<StorePath, number> {
  const referrers = countReferrers(graph)
  return new Map(
    graph.nodes.map((node) => [
      node.path,
      worth(node) * Math.sqrt(1 + (referrers.get(node.path) ?? 0)),
    ]),
  )
}

/** A total order: no two groups begin with the same path. */
function compareGroups(one: LayerGroup, other: LayerGroup): number {
  return one.mergeRating - other.mergeRating || (one.paths[0]! < other.paths[0]! ? -1 : 1)
}

function makeGroup(
  nodes: readonly ClosureNode[],
  ratings: ReadonlyMap<StorePath, number>,
): LayerGroup {
  const paths = nodes.map(({ path }) => path).toSorted()
  return {
    paths,
    // In the order of paths, because sums of fractions depend on the order.
    mergeRating: paths.reduce((sum, path) => sum + ratings.get(path)!, 0),
    narSizeBytes: nodes.reduce((sum, node) => sum + node.narSizeBytes, 0),
  }
}
