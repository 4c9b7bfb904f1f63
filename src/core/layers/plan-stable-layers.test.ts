import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { storePathName } from '#core/nix/store-path.ts'
import { drawClosure, randomClosure, shuffle } from '#test/fakes/drawn-closures.ts'
import type { LayerPlan } from './layer-plan.ts'
import { planStableLayers } from './plan-stable-layers.ts'

const smallBytes = 128 * 1024 - 1

// Like the one that the header of plan-stable-layers.ts draws.
const drawn = drawClosure(['git', 'curl'], {
  git: { size: 45_000_000, references: ['libc6', 'hostname', 'zlib'] },
  curl: { size: 500_000, references: ['libc6', 'zlib'] },
  libc6: { size: 15_000_000 },
  hostname: { size: 50_000, references: ['libc6'] },
  zlib: { size: smallBytes, references: ['libc6'] },
})

const drawnPlans: readonly (readonly [budget: number, groups: readonly string[]])[] = [
  [1, ['curl git hostname libc6 zlib']],
  [2, ['curl hostname libc6 zlib', 'git']],
  [3, ['curl hostname zlib', 'git', 'libc6']],
  [4, ['hostname zlib', 'curl', 'git', 'libc6']],
  [100, ['hostname zlib', 'curl', 'git', 'libc6']],
]
for (const [budget, groups] of drawnPlans) {
  test(`planStableLayers() gives ${groups.join(', ')} when the budget is ${budget}`, () => {
    assert.deepEqual(spell(planStableLayers(drawn, budget)), groups)
  })
}

test('planStableLayers() fills the budget when nothing is small', () => {
  const graph = drawClosure(['a', 'b'], { a: { size: 2_000_000 }, b: { size: 1_000_000 } })
  assert.deepEqual(spell(planStableLayers(graph, 2)), ['b', 'a'])
})

test('planStableLayers() puts what many need below, what needs many above', () => {
  const graph = drawClosure(['a', 'b'], {
    a: { size: 3_000_000, references: ['b', 'c', 'd'] },
    b: { size: 2_000_000 },
    c: { size: smallBytes + 1 },
    d: { size: smallBytes + 2 },
  })
  assert.deepEqual(spell(planStableLayers(graph, 9)), ['c', 'd', 'a', 'b'])
})

test('planStableLayers() gives no group for an empty closure', () => {
  assert.deepEqual(planStableLayers({ roots: [], nodes: [] }, 5), { groups: [] })
})

test('planStableLayers() refuses a budget below 1', () => {
  assert.throws(() => planStableLayers(drawn, 0), /budget 0/)
})

test('planStableLayers() puts every path in exactly one group, within the budget', () => {
  fc.assert(
    fc.property(randomClosure(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const { groups } = planStableLayers(graph, budget)
      assert.ok(groups.length <= budget)
      const planned = groups.flatMap(({ paths }) => paths)
      assert.deepEqual(planned.toSorted(), graph.nodes.map(({ path }) => path).toSorted())
      assert.equal(
        groups.reduce((sum, group) => sum + group.narSizeBytes, 0),
        graph.nodes.reduce((sum, node) => sum + node.narSizeBytes, 0),
      )
    }),
  )
})

test('planStableLayers() does not depend on the order of the closure', () => {
  const shuffled = randomClosure().chain((graph) =>
    fc.record({ graph: fc.constant(graph), nodes: shuffle(graph.nodes) }),
  )
  fc.assert(
    fc.property(shuffled, fc.integer({ min: 1, max: 12 }), ({ graph, nodes }, budget) => {
      assert.deepEqual(
        planStableLayers({ ...graph, nodes }, budget),
        planStableLayers(graph, budget),
      )
    }),
  )
})

test('planStableLayers() changes two groups at most when a path is added', () => {
  fc.assert(
    fc.property(randomClosure(), fc.integer({ min: 1, max: 12 }), (graph, budget) => {
      const [added, ...others] = graph.nodes
      const after = new Set(spell(planStableLayers(graph, budget)))
      const before = spell(planStableLayers(keepOnly(graph, others), budget))
      assert.ok(before.filter((group) => !after.has(group)).length <= 2, added!.path)
    }),
  )
})

/** Plans look at a path and its references, so a closure need not be complete here. */
function keepOnly({ roots }: ClosureGraph, nodes: ClosureGraph['nodes']): ClosureGraph {
  return { roots, nodes }
}

function spell({ groups }: LayerPlan): string[] {
  return groups.map(({ paths }) =>
    paths.map((path) => storePathName(path).replace(/-1$/, '')).join(' '),
  )
}
