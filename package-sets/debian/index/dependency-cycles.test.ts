import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { findCycles } from './dependency-cycles.ts'

type Graph = ReadonlyMap<string, readonly string[]>

test('findCycles() finds every cycle once, sorted', () => {
  const graph: Graph = new Map([
    ['x', ['c']],
    ['c', ['a']],
    ['a', ['b', 'y']],
    ['b', ['c', 'missing']],
    ['y', ['z']],
    ['z', ['y']],
  ])
  assert.deepEqual(findCycles(graph), [
    ['a', 'b', 'c'],
    ['y', 'z'],
  ])
})

test('findCycles() finds none in a chain that is longer than any call stack', () => {
  const length = 200_000
  const graph: Graph = new Map(
    Array.from({ length }, (_, i) => [`${i}`, i + 1 < length ? [`${i + 1}`] : []]),
  )
  assert.deepEqual(findCycles(graph), [])
})

const graphs = fc
  .array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 7 })), { maxLength: 20 })
  .map((edges): Graph => {
    const graph = new Map<string, string[]>(Array.from({ length: 8 }, (_, i) => [`${i}`, []]))
    for (const [from, to] of edges) graph.get(`${from}`)!.push(`${to}`)
    return graph
  })

function reaches(graph: Graph, from: string, to: string): boolean {
  const seen = new Set(graph.get(from))
  for (const node of seen) for (const next of graph.get(node) ?? []) seen.add(next)
  return seen.has(to)
}

test('findCycles() puts two nodes together exactly when each reaches the other', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const cycles = findCycles(graph)
      for (const a of graph.keys()) {
        for (const b of graph.keys()) {
          if (a === b) continue
          const together = cycles.some((cycle) => cycle.includes(a) && cycle.includes(b))
          assert.equal(together, reaches(graph, a, b) && reaches(graph, b, a))
        }
      }
    }),
  )
})
