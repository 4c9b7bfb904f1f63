import type { AdditionView } from '#core/api/image-view.ts'
import type { ImageContents } from '#core/assembly/image-contents.ts'
import type { LayerPlan } from '#core/layers/layer-plan.ts'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import { storePathBaseName } from '#core/nix/store-path.ts'

/** As much of an image as tells what another one has that it has not. */
export interface ComparedImage {
  /** NAR sizes in bytes, by store path without the store directory. */
  readonly sizes: ReadonlyMap<string, number>
  /** Names that are equal where layers are. */
  readonly layers: readonly string[]
}

/** What was noted of an image. */
export function comparedContents(key: CacheKey, { closure, layers }: ImageContents): ComparedImage {
  const filled = layers.filter(({ paths }) => paths.length > 0)
  return {
    sizes: new Map(closure.map(({ path, narSizeBytes }) => [path, narSizeBytes])),
    layers: [
      ...filled.map(({ paths }) => nameLayer(paths.map((place) => closure[place]!.path))),
      nameRoot(key),
    ],
  }
}

/** An image as it would be made. */
export function comparedPlan(
  key: CacheKey,
  { nodes }: ClosureGraph,
  { groups }: LayerPlan,
): ComparedImage {
  return {
    sizes: new Map(nodes.map(({ path, narSizeBytes }) => [storePathBaseName(path), narSizeBytes])),
    layers: [...groups.map(({ paths }) => nameLayer(paths.map(storePathBaseName))), nameRoot(key)],
  }
}

/** Equal store paths are packed into equal layers, whatever image they are in. */
function nameLayer(paths: readonly string[]): string {
  return paths.toSorted().join(' ')
}

/** The root file system links to all packages, so it is the same in the same image only. */
function nameRoot(key: CacheKey): string {
  return `root of ${key}`
}

/** What comes, the largest first, and how many layers stay the same. */
export function compareImages(
  before: ComparedImage,
  after: ComparedImage,
): Pick<AdditionView, 'added' | 'keptLayers' | 'newLayers'> {
  const added = [...after.sizes].filter(([path]) => !before.sizes.has(path))
  const known = new Set(before.layers)
  const kept = after.layers.filter((layer) => known.has(layer))
  return {
    added: added
      .map(([path, narSizeBytes]) => ({ path, narSizeBytes }))
      .toSorted((one, other) => other.narSizeBytes - one.narSizeBytes),
    keptLayers: kept.length,
    newLayers: after.layers.length - kept.length,
  }
}
