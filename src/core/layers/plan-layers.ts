import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { LayerPlan } from './layer-plan.ts'
import type { LayerScheme } from './layer-scheme.ts'
import { planOriginalLayers } from './plan-original-layers.ts'
import { planStableLayers } from './plan-stable-layers.ts'
import type { Popularity } from './popularity.ts'

/** Distributes a closure over at most `budget` groups; only the original's scheme asks for popularity. */
export function planLayers(
  scheme: LayerScheme,
  graph: ClosureGraph,
  popularity: Popularity,
  budget: number,
): LayerPlan {
  switch (scheme) {
    case 'stable':
      return planStableLayers(graph, budget)
    case 'original':
      return planOriginalLayers(graph, popularity, budget)
  }
}
