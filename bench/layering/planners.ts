import { planOriginalLayers } from '#core/layers/plan-original-layers.ts'
import { planStableLayers } from '#core/layers/plan-stable-layers.ts'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import type { Planner } from './replay.ts'

/** The service's own default, the same for all. */
const budget = 94

/** Every store path a blob of its own, without limit. */
export const lowerBound: Planner = {
  name: 'lower bound',
  popularity: 'closure',
  plan: ({ nodes }) => nodes.map(({ path }) => [path]),
}

/** One layer per image. */
export const upperBound: Planner = {
  name: 'upper bound',
  popularity: 'closure',
  plan: ({ nodes }) => [nodes.map(({ path }) => path)],
}

/** `NIXERY_LAYER_SCHEME=original`. */
export const original: Planner = {
  name: 'original',
  popularity: 'closure',
  plan: (graph, popularity) =>
    planOriginalLayers(graph, popularity, budget)
      .groups.map(({ paths }) => paths)
      .toReversed(),
}

/** The same with a popularity file that is always up to date. */
export const originalWithPopularity: Planner = {
  ...original,
  name: 'original, popularity file',
  popularity: 'counted',
}

/** `NIXERY_LAYER_SCHEME=stable`. */
export const ours: Planner = {
  name: 'ours',
  popularity: 'closure',
  plan: (graph) =>
    planStableLayers(graph, budget)
      .groups.map(({ paths }) => paths)
      .toReversed(),
}

/** The biggest paths alone, all others together. */
export const perPath: Planner = {
  name: 'per path',
  popularity: 'closure',
  plan: ({ nodes }) =>
    separateFirst(nodes.toSorted((one, other) => other.narSizeBytes - one.narSizeBytes)),
}

/**
 * nixpkgs' `closure-graph.py` and `dockerTools.buildLayeredImage`: the paths that most ways lead to
 * alone, all others together.
 */
export const popularityContest: Planner = {
  name: 'popularity contest',
  popularity: 'closure',
  plan: (graph) => {
    const contest = holdContest(graph)
    return separateFirst(
      graph.nodes.toSorted(
        (one, other) =>
          compare(contest.get(other.path)!, contest.get(one.path)!) ||
          compare(nameFirst(other.path), nameFirst(one.path)),
      ),
    )
  },
}

function separateFirst(nodes: readonly ClosureNode[]): ReadonlyArray<readonly StorePath[]> {
  const paths = nodes.map(({ path }) => path)
  const alone = paths.length <= budget ? paths : paths.slice(0, budget - 1)
  const together = paths.slice(alone.length)
  return [...alone.map((path) => [path]), ...(together.length > 0 ? [together] : [])]
}

/** Ways branch out exponentially, hence bigint. */
type Contest = Map<StorePath, bigint>

/**
 * Each child counts once, and what the child's own contest has counts one more than there. Starts at
 * the paths that nothing refers to.
 */
function holdContest({ nodes }: ClosureGraph): ReadonlyMap<StorePath, bigint> {
  const byPath = new Map(nodes.map((node) => [node.path, node]))
  const held = new Map<StorePath, Contest>()
  const below = (path: StorePath): Contest => {
    const known = held.get(path)
    if (known !== undefined) return known
    const contest = sumContests(byPath.get(path)!.references, below)
    held.set(path, contest)
    return contest
  }
  const referenced = new Set(nodes.flatMap(({ references }) => references))
  const tops = nodes.map(({ path }) => path).filter((path) => !referenced.has(path))
  return sumContests(tops, below)
}

function sumContests(paths: readonly StorePath[], below: (path: StorePath) => Contest): Contest {
  const sum: Contest = new Map()
  const add = (path: StorePath, count: bigint) => sum.set(path, (sum.get(path) ?? 0n) + count)
  for (const path of paths) {
    add(path, 1n)
    for (const [lower, count] of below(path)) add(lower, count + 1n)
  }
  return sum
}

/** Equally popular paths are in the order of names, backwards. */
function nameFirst(path: StorePath): string {
  return `${storePathName(path)} ${path}`
}

function compare<Value extends bigint | string>(one: Value, other: Value): number {
  return one < other ? -1 : one > other ? 1 : 0
}
