import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { LayerGroup, LayerPlan } from '#core/layers/layer-plan.ts'
import { layerSchemes } from '#core/layers/layer-scheme.ts'
import { planLayers } from '#core/layers/plan-layers.ts'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { parseStorePath, storePathName, type StorePath } from '#core/nix/store-path.ts'

// A plan that changes gives every image new layers, so a change must be meant. The closure is that
// of shell/curl/git/htop/jq/python3 from the bundled set; references are positions in its list.
// UPDATE_GOLDEN=1 writes the plans anew.

const budgets = [1, 5, 20, 94]

for (const scheme of layerSchemes) {
  test(`planLayers() plans a real closure by the scheme ${scheme} as before`, () => {
    const expectedFile = new URL(`${scheme}.txt`, import.meta.url)
    const graph = readClosure()
    const plans = budgets.map((budget) => {
      const plan = planLayers(scheme, graph, { kind: 'closure' }, budget)
      return `budget ${budget}\n\n${formatPlan(plan)}\n`
    })
    const actual = plans.join('\n')
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expectedFile, actual)
    assert.equal(actual, readFileSync(expectedFile, 'utf8'))
  })
}

for (const [budget, layers, kept] of [
  [94, 57, 56],
  [30, 30, 27],
] as const) {
  test(`${kept} of ${layers} layers stay when git is added and the budget is ${budget}`, () => {
    const graph = readClosure()
    const others = graph.roots.filter((path) => !storePathName(path).startsWith('git-2'))
    const before = listGroups(closureOf(graph, others), budget)
    const after = new Set(listGroups(graph, budget))
    assert.equal(before.length, layers)
    assert.equal(before.filter((group) => after.has(group)).length, kept)
  })
}

function listGroups(graph: ClosureGraph, budget: number): readonly string[] {
  const { groups } = planLayers('stable', graph, { kind: 'closure' }, budget)
  return groups.map(({ paths }) => paths.join(' '))
}

/** The part of a closure that some of its paths need. */
function closureOf({ nodes }: ClosureGraph, roots: readonly StorePath[]): ClosureGraph {
  const byPath = new Map(nodes.map((node) => [node.path, node]))
  const members = new Set(roots)
  // Paths are added while the set is walked.
  for (const path of members) for (const next of byPath.get(path)!.references) members.add(next)
  return { roots, nodes: nodes.filter(({ path }) => members.has(path)) }
}

function readClosure(): ClosureGraph {
  const { roots, nodes } = JSON.parse(
    readFileSync(new URL('closure.json', import.meta.url), 'utf8'),
  ) as {
    roots: number[]
    nodes: { path: string; narSizeBytes: number; references: number[] }[]
  }
  const pathAt = (position: number) => parseStorePath(`/nix/store/${nodes[position]!.path}`)!
  return {
    roots: roots.map(pathAt),
    nodes: nodes.map(({ narSizeBytes, references }, position) => ({
      path: pathAt(position),
      narSizeBytes,
      references: references.map(pathAt),
    })),
  }
}

/** A line for each group: merge rating, size, names. */
function formatPlan({ groups }: LayerPlan): string {
  return groups.map(formatGroup).join('\n')
}

function formatGroup({ mergeRating, narSizeBytes, paths }: LayerGroup): string {
  const names = paths.map(storePathName).toSorted().join(' ')
  return `${String(Math.round(mergeRating)).padStart(12)} ${String(narSizeBytes).padStart(10)} ${names}`
}
