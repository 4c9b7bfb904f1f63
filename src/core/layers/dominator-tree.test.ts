import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { findImmediateDominators, type Successors } from './dominator-tree.ts'

const root = 0

test('findImmediateDominators() gives the example of Cooper, Harvey and Kennedy', () => {
  // Figure 4 of the paper, an irreducible graph: 6 → 5, 4; 5 → 1; 4 → 2, 3; 1 ⇄ 2 ⇄ 3.
  const [six, five, four, one, two, three] = [0, 1, 2, 3, 4, 5]
  const graph = [[five, four], [one], [two, three], [two], [one, three], [two]]
  assert.deepEqual([...findImmediateDominators(graph, six)], [0, 0, 0, 0, 0, 0])
})

test('findImmediateDominators() climbs from a shared dependency to where the ways part', () => {
  //  0 → 1 → 2 → 4 → 5
  //      └─→ 3 ──┘
  const graph = [[1], [2, 3], [4], [4], [5], []]
  assert.deepEqual([...findImmediateDominators(graph, root)], [0, 0, 1, 1, 1, 4])
})

test('findImmediateDominators() equals the definition on random graphs with cycles', () => {
  fc.assert(
    fc.property(reachableGraph(), (graph) => {
      assert.deepEqual([...findImmediateDominators(graph, root)], byDefinition(graph))
    }),
    { numRuns: 500 },
  )
})

test('findImmediateDominators() takes a chain of 100,000 nodes', () => {
  const length = 100_000
  const chain = Array.from({ length }, (_, node) => (node + 1 < length ? [node + 1] : []))
  const dominators = findImmediateDominators(chain, root)
  assert.ok(dominators.every((dominator, node) => dominator === Math.max(0, node - 1)))
})

test('findImmediateDominators() refuses a node that nothing leads to', () => {
  assert.throws(() => findImmediateDominators([[], [0]], root), /reachable/)
})

/** Graphs of up to 14 nodes; what the edges leave out is reached from the root. */
function reachableGraph(): fc.Arbitrary<Successors> {
  return fc
    .integer({ min: 1, max: 14 })
    .chain((size) => {
      const node = fc.nat({ max: size - 1 })
      return fc.tuple(fc.constant(size), fc.array(fc.tuple(node, node), { maxLength: 3 * size }))
    })
    .map(([size, edges]) => {
      const graph: number[][] = Array.from({ length: size }, () => [])
      for (const [from, to] of edges) graph[from]!.push(to)
      for (let node = 0; node < size; node += 1) {
        if (!reachable(graph).has(node)) graph[root]!.push(node)
      }
      return graph
    })
}

/**
 * A node dominates another when the other cannot be reached without it; the immediate dominator is
 * the one that all the others dominate.
 */
function byDefinition(graph: Successors): number[] {
  const nodes = [...graph.keys()]
  const lostWithout = nodes.map((removed) => {
    const left = reachable(graph, removed)
    return new Set(nodes.filter((node) => !left.has(node)))
  })
  return nodes.map((node) => {
    const strict = nodes.filter((other) => other !== node && lostWithout[other]!.has(node))
    return strict.find((one) => strict.every((other) => lostWithout[other]!.has(one))) ?? root
  })
}

function reachable(graph: Successors, removed?: number): Set<number> {
  const seen = new Set<number>()
  const waiting = removed === root ? [] : [root]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    waiting.push(...graph[node]!.filter((next) => next !== removed))
  }
  return seen
}
