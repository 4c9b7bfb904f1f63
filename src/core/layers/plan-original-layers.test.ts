import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { drawClosure, drawnPath, randomClosure, shuffle } from '#test/fakes/drawn-closures.ts'
import type { LayerPlan } from './layer-plan.ts'
import { planOriginalLayers } from './plan-original-layers.ts'
import type { Popularity } from './popularity.ts'

const closurePopularity: Popularity = { kind: 'closure' }

// The graph that the header of plan-original-layers.ts draws.
const drawn = drawClosure(['a', 'b', 'c', 'd'], {
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
  test(`planOriginalLayers() gives ${groups.join(' ')} when the budget is ${budget}`, () => {
    assert.deepEqual(spell(planOriginalLayers(drawn, eIsPopular, budget)), groups)
  })
}

test('planOriginalLayers() adds up ratings and sizes when groups are merged', () => {
  const [first] = planOriginalLayers(drawn, eIsPopular, 4).groups
  assert.deepEqual({ ...first, paths: [] }, { paths: [], mergeRating: 6, narSizeBytes: 6 })
})

test('planOriginalLayers() rates a group by the popularity of its top path', () => {
  const graph = drawClosure(['a', 'b', 'c'], {
    a: { size: 10, references: ['d'] },
    b: { size: 10, references: ['d'] },
    c: { size: 25 },
    d: { size: 10, references: ['e'] },
    e: { size: 10 },
  })
  // Two paths refer to d: 2 × (10 + 10).
  assert.deepEqual(
    planOriginalLayers(graph, closurePopularity, 9).groups.map(({ mergeRating }) => mergeRating),
    [10, 10, 25, 40],
  )
})

test('planOriginalLayers() separates a path that is bigger than 100 MB, or needed by 100 others', () => {
  const sizes = (big: number) => spell(planOriginalLayers(chainTo(big), closurePopularity, 9))
  assert.deepEqual(sizes(100_000_000), ['ab'])
  assert.deepEqual(sizes(100_000_001), ['a', 'b'])

  const rated = (rating: number): Popularity => ({
    kind: 'snapshot',
    version: '1',
    ratings: new Map([['b-1', rating]]),
  })
  assert.deepEqual(spell(planOriginalLayers(chainTo(1), rated(99), 9)), ['ab'])
  assert.deepEqual(spell(planOriginalLayers(chainTo(1), rated(100), 9)), ['a', 'b'])
})

test('planOriginalLayers() keeps what every image has apart', () => {
  const graph = drawClosure(['cacert', 'iana-etc', 'x'], {
    cacert: { size: 2 },
    'iana-etc': { size: 1 },
    x: { size: 9, references: ['cacert'] },
  })
  assert.deepEqual(spell(planOriginalLayers(graph, closurePopularity, 9)), [
    'x',
    'iana-etc',
    'cacert',
  ])
})

test('planOriginalLayers() keeps store paths that refer to each other together', () => {
  const graph = drawClosure(['a'], {
    a: { size: 1, references: ['b'] },
    b: { size: 1, references: ['c'] },
    c: { size: 1, references: ['b'] },
  })
  assert.deepEqual(spell(planOriginalLayers(graph, closurePopularity, 9)), ['abc'])
})

test('planOriginalLayers() gives no group for an empty closure', () => {
  assert.deepEqual(planOriginalLayers({ roots: [], nodes: [] }, closurePopularity, 5), {
    groups: [],
  })
})

test('planOriginalLayers() takes a chain of 10,000 paths', () => {
  const names = Array.from({ length: 10_000 }, (_, position) => `n${position}`)
  const nodes = names.map((name, position) => [
    name,
    { size: 1, references: names.slice(position + 1, position + 2) },
  ])
  const { groups } = planOriginalLayers(
    drawClosure(['n0'], Object.fromEntries(nodes)),
    closurePopularity,
    9,
  )
  assert.deepEqual(
    groups.map(({ paths }) => paths.length),
    [10_000],
  )
})

test('planOriginalLayers() refuses a budget below 1', () => {
  assert.throws(() => planOriginalLayers(drawn, closurePopularity, 0), /budget 0/)
})

test('planOriginalLayers() puts every path in exactly one group, within the budget', () => {
  fc.assert(
    fc.property(randomClosure(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const { groups } = planOriginalLayers(graph, closurePopularity, budget)
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

test('planOriginalLayers() does not depend on the order of the closure', () => {
  const shuffled = randomClosure().chain((graph) =>
    fc.record({
      graph: fc.constant(graph),
      roots: shuffle(graph.roots),
      nodes: shuffle(graph.nodes),
    }),
  )
  fc.assert(
    fc.property(shuffled, fc.integer({ min: 1, max: 12 }), ({ graph, roots, nodes }, budget) => {
      assert.deepEqual(
        planOriginalLayers({ roots, nodes }, closurePopularity, budget),
        planOriginalLayers(graph, closurePopularity, budget),
      )
    }),
  )
})

test('planOriginalLayers() keeps the groups of a bigger budget whole in those of a smaller one', () => {
  fc.assert(
    fc.property(randomClosure(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const coarse = planOriginalLayers(graph, closurePopularity, budget)
      const fine = planOriginalLayers(graph, closurePopularity, budget + 1)
      for (const { paths } of fine.groups) {
        assert.ok(coarse.groups.some((group) => paths.every((path) => group.paths.includes(path))))
      }
    }),
  )
})

function chainTo(bigBytes: number): ClosureGraph {
  return drawClosure(['a'], { a: { size: 1, references: ['b'] }, b: { size: bigBytes } })
}

function spell({ groups }: LayerPlan): string[] {
  return groups.map(({ paths }) =>
    paths.map((path) => path.slice(drawnPath('').length - 2, -2)).join(''),
  )
}
