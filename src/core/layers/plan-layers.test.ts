import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import type { LayerPlan } from './layer-plan.ts'
import { planLayers } from './plan-layers.ts'
import type { Popularity } from './popularity.ts'

const closurePopularity: Popularity = { kind: 'closure' }

// The graph that the header of plan-layers.ts draws.
const drawn = makeGraph(['a', 'b', 'c', 'd'], {
  a: { size: 1, references: ['e'] },
  b: { size: 2, references: ['e'] },
  c: { size: 3, references: ['e'] },
  d: { size: 3, references: ['f', 'g'] },
  e: { size: 5 },
  f: { size: 5 },
  g: { size: 150_000_000 },
})
const eIsPopular: Popularity = {
  kind: 'snapshot',
  version: '1',
  ratings: new Map([['e-1', 100_000_000]]),
}

const drawnPlans: readonly (readonly [budget: number, groups: readonly string[]])[] = [
  [1, ['abcdefg']],
  [2, ['abcdfg', 'e']],
  [3, ['abcdf', 'g', 'e']],
  [4, ['abc', 'df', 'g', 'e']],
  [5, ['ab', 'c', 'df', 'g', 'e']],
  [6, ['a', 'b', 'c', 'df', 'g', 'e']],
  [100, ['a', 'b', 'c', 'df', 'g', 'e']],
]
for (const [budget, groups] of drawnPlans) {
  test(`planLayers() gives ${groups.join(' ')} when the budget is ${budget}`, () => {
    assert.deepEqual(spell(planLayers(drawn, eIsPopular, budget)), groups)
  })
}

test('planLayers() adds up ratings and sizes when groups are merged', () => {
  const [first] = planLayers(drawn, eIsPopular, 4).groups
  assert.deepEqual({ ...first, paths: [] }, { paths: [], mergeRating: 6, narSizeBytes: 6 })
})

test('planLayers() rates a group by the popularity of its top path', () => {
  const graph = makeGraph(['a', 'b', 'c'], {
    a: { size: 10, references: ['d'] },
    b: { size: 10, references: ['d'] },
    c: { size: 25 },
    d: { size: 10, references: ['e'] },
    e: { size: 10 },
  })
  // Two paths refer to d: 2 × (10 + 10).
  assert.deepEqual(
    planLayers(graph, closurePopularity, 9).groups.map(({ mergeRating }) => mergeRating),
    [10, 10, 25, 40],
  )
})

test('planLayers() separates a path that is bigger than 100 MB, or needed by 100 others', () => {
  const sizes = (big: number) => spell(planLayers(chainTo(big), closurePopularity, 9))
  assert.deepEqual(sizes(100_000_000), ['ab'])
  assert.deepEqual(sizes(100_000_001), ['a', 'b'])

  const rated = (rating: number): Popularity => ({
    kind: 'snapshot',
    version: '1',
    ratings: new Map([['b-1', rating]]),
  })
  assert.deepEqual(spell(planLayers(chainTo(1), rated(99), 9)), ['ab'])
  assert.deepEqual(spell(planLayers(chainTo(1), rated(100), 9)), ['a', 'b'])
})

test('planLayers() keeps what every image has apart', () => {
  const graph = makeGraph(['cacert', 'iana-etc', 'x'], {
    cacert: { size: 2 },
    'iana-etc': { size: 1 },
    x: { size: 9, references: ['cacert'] },
  })
  assert.deepEqual(spell(planLayers(graph, closurePopularity, 9)), ['x', 'iana-etc', 'cacert'])
})

test('planLayers() keeps store paths that refer to each other together', () => {
  const graph = makeGraph(['a'], {
    a: { size: 1, references: ['b'] },
    b: { size: 1, references: ['c'] },
    c: { size: 1, references: ['b'] },
  })
  assert.deepEqual(spell(planLayers(graph, closurePopularity, 9)), ['abc'])
})

test('planLayers() gives no group for an empty closure', () => {
  assert.deepEqual(planLayers({ roots: [], nodes: [] }, closurePopularity, 5), { groups: [] })
})

test('planLayers() takes a chain of 10,000 paths', () => {
  const names = Array.from({ length: 10_000 }, (_, position) => `n${position}`)
  const nodes = names.map((name, position) => [
    name,
    { size: 1, references: names.slice(position + 1, position + 2) },
  ])
  const { groups } = planLayers(makeGraph(['n0'], Object.fromEntries(nodes)), closurePopularity, 9)
  assert.deepEqual(
    groups.map(({ paths }) => paths.length),
    [10_000],
  )
})

test('planLayers() refuses a budget below 1', () => {
  assert.throws(() => planLayers(drawn, closurePopularity, 0), /budget 0/)
})

test('planLayers() puts every path in exactly one group, within the budget', () => {
  fc.assert(
    fc.property(closureGraph(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const { groups } = planLayers(graph, closurePopularity, budget)
      assert.ok(groups.length <= budget)
      const planned = groups.flatMap(({ paths }) => paths)
      assert.deepEqual(planned.toSorted(), graph.nodes.map(({ path }) => path).toSorted())
      const sizeBytes = graph.nodes.reduce((sum, node) => sum + node.narSizeBytes, 0)
      assert.equal(
        groups.reduce((sum, group) => sum + group.narSizeBytes, 0),
        sizeBytes,
      )
    }),
  )
})

test('planLayers() does not depend on the order of the closure', () => {
  const shuffled = closureGraph().chain((graph) =>
    fc.record({
      graph: fc.constant(graph),
      roots: shuffle(graph.roots),
      nodes: shuffle(graph.nodes),
    }),
  )
  fc.assert(
    fc.property(shuffled, fc.integer({ min: 1, max: 12 }), ({ graph, roots, nodes }, budget) => {
      assert.deepEqual(
        planLayers({ roots, nodes }, closurePopularity, budget),
        planLayers(graph, closurePopularity, budget),
      )
    }),
  )
})

test('planLayers() keeps the groups of a bigger budget whole in those of a smaller one', () => {
  fc.assert(
    fc.property(closureGraph(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const coarse = planLayers(graph, closurePopularity, budget)
      const fine = planLayers(graph, closurePopularity, budget + 1)
      for (const { paths } of fine.groups) {
        assert.ok(coarse.groups.some((group) => paths.every((path) => group.paths.includes(path))))
      }
    }),
  )
})

type DrawnNode = { readonly size: number; readonly references?: readonly string[] }

/** A closure with short names: `a` is `/nix/store/…-a-1`. */
function makeGraph(roots: readonly string[], nodes: Readonly<Record<string, DrawnNode>>) {
  return {
    roots: roots.map(storePath),
    nodes: Object.entries(nodes).map(([name, { size, references = [] }]) => ({
      path: storePath(name),
      narSizeBytes: size,
      references: references.map(storePath),
    })),
  } satisfies ClosureGraph
}

function chainTo(bigBytes: number): ClosureGraph {
  return makeGraph(['a'], { a: { size: 1, references: ['b'] }, b: { size: bigBytes } })
}

function storePath(name: string): StorePath {
  return parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}-1`)!
}

function spell({ groups }: LayerPlan): string[] {
  return groups.map(({ paths }) =>
    paths.map((path) => path.slice(storePath('').length - 2, -2)).join(''),
  )
}

/** Closures with cycles and big paths; what nothing refers to is a root. */
function closureGraph(): fc.Arbitrary<ClosureGraph> {
  return fc
    .integer({ min: 1, max: 16 })
    .chain((size) => {
      const node = fc.nat({ max: size - 1 })
      const sizeBytes = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 200_000_000 }))
      return fc.record({
        sizes: fc.array(sizeBytes, { minLength: size, maxLength: size }),
        edges: fc.array(fc.tuple(node, node), { maxLength: 2 * size }),
        roots: fc.uniqueArray(node),
      })
    })
    .map(({ sizes, edges, roots }) => {
      const nodes = sizes.map((narSizeBytes, position): ClosureNode => ({
        path: storePath(`n${position}`),
        narSizeBytes,
        references: edges
          .filter(([from, to]) => from === position && to !== position)
          .map(([, to]) => storePath(`n${to}`)),
      }))
      return {
        roots: coverAll(
          nodes,
          roots.map((root) => storePath(`n${root}`)),
        ),
        nodes,
      }
    })
}

/** The roots, and more of them until every node is reached. */
function coverAll(nodes: readonly ClosureNode[], roots: readonly StorePath[]): StorePath[] {
  const references = new Map(nodes.map((node) => [node.path, node.references]))
  const reached = new Set(roots)
  const grow = () => {
    for (const path of reached) for (const next of references.get(path)!) reached.add(next)
  }
  grow()
  const all = [...roots]
  for (const { path } of nodes) {
    if (reached.has(path)) continue
    all.push(path)
    reached.add(path)
    grow()
  }
  return all
}

function shuffle<T>(values: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...values], { minLength: values.length, maxLength: values.length })
}
