import { strict as assert } from 'node:assert'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { findImmediateDominators } from './dominator-tree.ts'
import type { LayerGroup, LayerPlan } from './layer-plan.ts'
import { ratePopularity, type Popularity } from './popularity.ts'

// Which store paths share a layer, so that images with overlapping closures share layers. The
// scheme is the one that Nixery published (tazj.in, "Nixery: improved layering").
//
//    references              with edges to big           dominator tree
//                            and popular paths
//    image                   image                       image
//     ├─> a ──┐               ├─> a ──┐                   ├── a
//     ├─> b ─> e (popular)    ├─> b ─> e                  ├── b
//     ├─> c ──┘               ├─> c ──┘                   ├── c
//     └─> d ─> f              ├─> d ─> f                  ├── d ── f
//         └──> g (big)        │   └──> g                  ├── e
//                             ├─────> e                   └── g
//                             └─────> g
//
// Each child of the image in the dominator tree makes a group of all that it dominates: what is
// needed through one package only travels with it, what several need stands alone. Groups are
// ordered by merge rating, the popularity of their top path times their size; while there are more
// than the budget allows, the two with the lowest ratings become one, which stays the first to be
// merged:
//
//    ratings   {a} 1   {b} 2   {c} 3   {d f} 8   {g} 150 M   {e} 500 M
//    budget 4  {a b c}  {d f}  {g}  {e}
//    budget 2  {a b c d f g}  {e}

/** A path bigger than this gets a group of its own, with what it alone needs. */
const bigPathBytes = 100_000_000
/** The same for a path that this many others need. */
const popularPathReferrers = 100

/** Index of the image in the graph that is searched for dominators; paths follow. */
const image = 0

/**
 * Distributes a closure over at most `budget` groups. The same closure gives the same plan in
 * whatever order its nodes come.
 */
export function planOriginalLayers(
  graph: ClosureGraph,
  popularity: Popularity,
  budget: number,
): LayerPlan {
  assert.ok(Number.isSafeInteger(budget) && budget >= 1, `layer budget ${budget} is at least 1`)
  const ratings = ratePopularity(graph, popularity)
  const groups = [...groupByDominator(graph, ratings)].toSorted(compareGroups)
  return { groups: mergeIntoBudget(groups, budget) }
}

function groupByDominator(
  { roots, nodes }: ClosureGraph,
  ratings: ReadonlyMap<StorePath, number>,
): Iterable<LayerGroup> {
  const indices = new Map(nodes.map(({ path }, position) => [path, position + 1]))
  const indexOf = (path: StorePath) => {
    const index = indices.get(path)
    assert.ok(index !== undefined, `${path} is in the closure that refers to it`)
    return index
  }
  const topPaths = new Set(roots)
  for (const node of nodes) if (isBigOrPopular(node, ratings)) topPaths.add(node.path)

  const dominators = findImmediateDominators(
    [[...topPaths].map(indexOf), ...nodes.map(({ references }) => references.map(indexOf))],
    image,
  )
  const members = Map.groupBy(nodes, ({ path }) => findTop(indexOf(path), dominators))
  return members
    .entries()
    .map(([top, group]) => makeGroup(group, ratings.get(nodes[top - 1]!.path)!))
}

function isBigOrPopular(
  { path, narSizeBytes }: ClosureNode,
  ratings: ReadonlyMap<StorePath, number>,
): boolean {
  return narSizeBytes > bigPathBytes || ratings.get(path)! >= popularPathReferrers
}

/** The child of the image above a node; shortens the way for those that come later. */
function findTop(node: number, dominators: Int32Array): number {
  let top = node
  while (dominators[top] !== image) top = dominators[top]!
  for (let step = node; step !== top;) {
    const next = dominators[step]!
    dominators[step] = top
    step = next
  }
  return top
}

function makeGroup(nodes: readonly ClosureNode[], popularity: number): LayerGroup {
  const narSizeBytes = nodes.reduce((sum, node) => sum + node.narSizeBytes, 0)
  return {
    paths: nodes.map(({ path }) => path).toSorted(),
    mergeRating: popularity * narSizeBytes,
    narSizeBytes,
  }
}

/** A total order: no two groups begin with the same path. */
function compareGroups(one: LayerGroup, other: LayerGroup): number {
  if (one.mergeRating !== other.mergeRating) return one.mergeRating - other.mergeRating
  return one.paths[0]! < other.paths[0]! ? -1 : 1
}

/** Merging two by two from the front always ends in one merged group, followed by the rest. */
function mergeIntoBudget(groups: readonly LayerGroup[], budget: number): readonly LayerGroup[] {
  if (groups.length <= budget) return groups
  const excess = groups.length - budget + 1
  return [mergeGroups(groups.slice(0, excess)), ...groups.slice(excess)]
}

function mergeGroups(groups: readonly LayerGroup[]): LayerGroup {
  return {
    paths: groups.flatMap(({ paths }) => paths).toSorted(),
    mergeRating: groups.reduce((sum, group) => sum + group.mergeRating, 0),
    narSizeBytes: groups.reduce((sum, group) => sum + group.narSizeBytes, 0),
  }
}
