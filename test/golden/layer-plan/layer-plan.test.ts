import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { LayerGroup, LayerPlan } from '#core/layers/layer-plan.ts'
import { planLayers } from '#core/layers/plan-layers.ts'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { parseStorePath, storePathName } from '#core/nix/store-path.ts'

// A plan that changes gives every image new layers, so a change must be meant. The closure is that
// of shell/curl/git/htop/jq/python3 from the bundled set; references are positions in its list.
// UPDATE_GOLDEN=1 writes the plan anew.

const expectedFile = new URL('plan.txt', import.meta.url)
const budgets = [1, 5, 20, 94]

test('planLayers() plans a real closure as before', () => {
  const graph = readClosure()
  const plans = budgets.map((budget) => {
    const plan = planLayers(graph, { kind: 'closure' }, budget)
    return `budget ${budget}\n\n${formatPlan(plan)}\n`
  })
  const actual = plans.join('\n')
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expectedFile, actual)
  assert.equal(actual, readFileSync(expectedFile, 'utf8'))
})

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
  return `${String(mergeRating).padStart(12)} ${String(narSizeBytes).padStart(10)} ${names}`
}
