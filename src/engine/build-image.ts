import { contentsDocument, describeContents } from '#core/assembly/image-contents.ts'
import {
  assembleImage,
  type ImageDocument,
  type ImageLayer,
  type ImageOptions,
} from '#core/assembly/image-documents.ts'
import { imageOptions, type RootFacts } from '#core/assembly/image-options.ts'
import type { LayerScheme } from '#core/layers/layer-scheme.ts'
import { planLayers } from '#core/layers/plan-layers.ts'
import type { LayerGroup } from '#core/layers/layer-plan.ts'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { formatPlatform } from '#core/nix/system.ts'
import type { BuildFailure } from './build-outcome.ts'
import { evaluateAgain } from './evaluate-again.ts'
import { evaluatePackages, type Evaluated, type EvaluationTools } from './evaluate-packages.ts'
import { findTooLarge } from './find-too-large.ts'
import type { BuildTarget } from './image-builder.ts'
import { adoptManifest } from './cached-manifests.ts'
import { makeRootLayer, type RootLayer, type TooManyNames } from './make-root-layer.ts'
import { publishDocument } from './publish-document.ts'
import { packLayer, type LayerTools } from './pack-layer.ts'
import { startPreparation, type Preparation } from './prepare-store-paths.ts'
import { maxDocumentBytes } from './ports/blob-store.ts'
import type { BuildEvent, PlannedLayer } from './ports/build-observer.ts'
import type {
  DerivationsGone,
  PackageBuilder,
  PackagesUnrealisable,
  RealiseProgress,
  StoreLease,
} from './ports/package-builder.ts'
import type { LayerContent, MeasuredPath } from './ports/packer.ts'
import type { StorageObserver } from './ports/storage-observer.ts'
import type { OpenStoreFiles } from './ports/store-files.ts'
import { requireBlobs } from './require-blobs.ts'
import { runInLanes } from './run-in-lanes.ts'
import type { BuildEntry, ManifestEntry } from './stored-entries.ts'
import { describeDocument } from './stored-entries.ts'

export interface BuildTools extends LayerTools, EvaluationTools {
  readonly nix: PackageBuilder
  readonly storeFiles: OpenStoreFiles
  readonly storageObserver: StorageObserver
  readonly layerScheme: LayerScheme
  /** Most layers for store paths; the root layer comes on top. */
  readonly layerBudget: number
}

/**
 * One image from nothing: the whole build flow, a call per step. Blobs are published before the
 * entries that point to them, so a crash at any moment leaves nothing that leads nowhere.
 */
export async function buildImage(
  tools: BuildTools,
  target: BuildTarget,
  observe: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<ManifestEntry | BuildFailure> {
  const lease = await tools.nix.lease()
  try {
    await using preparation = startPreparation(tools, signal)
    const packages = await evaluateAgain(() =>
      realise(tools, target, lease, preparation, observe, signal),
    )
    preparation.finish()
    if (packages.kind !== 'found') return packages

    const graph = await tools.nix.closure(outputPaths(packages.found), signal)
    const tooLarge = findTooLarge(graph, tools.policy)
    if (tooLarge !== undefined) return tooLarge
    const plan = planLayers(tools.layerScheme, graph, target.popularity, tools.layerBudget)
    const groups = measureGroups(graph, bottomFirst(plan.groups))
    observe({ kind: 'planned', layers: [...groups.map(plannedLayer), rootLayer] })

    const files = tools.storeFiles(new Set(graph.nodes.map(({ path }) => path)))
    const makeRoot = (until: AbortSignal) =>
      makeRootLayer(packages.found.map(packagePaths), files, until)
    const packed = await packAll(tools, groups, makeRoot, observe, signal)
    if (packed.kind === 'too-many-names') return packed
    const { layers, facts } = packed
    const options = imageOptions(target.request, facts)
    // Only an entry leads to what is noted, and what may change has none.
    const named = packages.found.filter((found) => target.request.packages.includes(found.package))
    const contents = target.source.fixed
      ? noteContents(graph, outputPaths(named), groups, layers)
      : undefined
    return await publishImage(tools, target, { layers, options, contents }, signal)
  } finally {
    await lease.release()
  }
}

/** The packages of an image, which the lease holds in the store from now on. */
async function realise(
  tools: BuildTools,
  target: BuildTarget,
  lease: StoreLease,
  preparation: Preparation,
  observe: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<Evaluated | DerivationsGone | PackagesUnrealisable> {
  const packages = await evaluatePackages(tools, target, signal)
  if (packages.kind !== 'found') return packages
  observe({ kind: 'evaluated', derivations: packages.found.length })
  const prepare = preparation.watch(packages.found)
  const onProgress = (progress: RealiseProgress) => {
    observe({ kind: 'realising', progress })
    prepare(progress)
  }
  const realised = await tools.nix.realise(packages.found, lease, onProgress, signal)
  return realised.kind === 'realised' ? packages : realised
}

/** A chain of layers that images share from below is stored once, and by Docker downloaded once. */
function bottomFirst(groups: readonly LayerGroup[]): readonly LayerGroup[] {
  return groups.toReversed()
}

/** The store paths of one layer. */
type MeasuredGroup = readonly MeasuredPath[]

function measureGroups(
  graph: ClosureGraph,
  groups: readonly LayerGroup[],
): readonly MeasuredGroup[] {
  const narSizes = new Map(graph.nodes.map((node) => [node.path, node.narSizeBytes]))
  return groups.map(({ paths }) =>
    paths.map((path) => ({ path, narSizeBytes: narSizes.get(path) ?? 0 })),
  )
}

function plannedLayer(group: MeasuredGroup): PlannedLayer {
  return {
    storePaths: group.map(({ path }) => path),
    narSizeBytes: group.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0),
  }
}

const rootLayer: PlannedLayer = { storePaths: [], narSizeBytes: 0 }

interface PackedLayers {
  readonly kind: 'packed'
  readonly layers: readonly ImageLayer[]
  readonly facts: RootFacts
}

/** The layers of store paths are packed while the root layer is put together. */
async function packAll(
  tools: BuildTools,
  groups: readonly MeasuredGroup[],
  makeRoot: (signal: AbortSignal) => Promise<RootLayer | TooManyNames>,
  observe: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<PackedLayers | TooManyNames> {
  // The first failure stops the layers that are still being packed; so does a root of too many names.
  const stop = new AbortController()
  const all = AbortSignal.any([signal, stop.signal])
  const packNth = (content: LayerContent, layer: number) =>
    packLayer(tools, content, (event) => observe({ ...event, layer }), all)
  const packing = groups.map(async (paths, index) => {
    const layer = await packNth({ kind: 'store-paths', paths }, index)
    return imageLayer(layer, `nixery: ${describePaths(paths.map(({ path }) => path))}`)
  })
  const packRoot = async () => {
    const root = await makeRoot(all)
    if (root.kind === 'too-many-names') {
      stop.abort()
      return root
    }
    const { entries, facts } = root
    const layer = await packNth({ kind: 'entries', entries }, groups.length)
    return { kind: 'packed', layer: imageLayer(layer, 'nixery: root file system'), facts } as const
  }
  const packingRoot = packRoot()
  try {
    const [root, ...layers] = await Promise.all([packingRoot, ...packing])
    if (root.kind === 'too-many-names') return root
    return { kind: 'packed', layers: [...layers, root.layer], facts: root.facts }
  } catch (error) {
    stop.abort(error)
    const [root] = await Promise.allSettled([packingRoot, ...packing])
    // It is what stopped the others.
    if (root.status === 'fulfilled' && root.value.kind === 'too-many-names') return root.value
    throw error
  }
}

/** For people who look at the image later; a closure that would be too large a document is not noted. */
function noteContents(
  graph: ClosureGraph,
  named: readonly StorePath[],
  groups: readonly MeasuredGroup[],
  layers: readonly ImageLayer[],
): ImageDocument | undefined {
  const filled = layers.map(({ digest }, index) => ({
    digest,
    storePaths: (groups[index] ?? []).map(({ path }) => path),
  }))
  const document = contentsDocument(describeContents(graph, new Set(named), filled))
  return document.bytes.length > maxDocumentBytes ? undefined : document
}

interface ImageParts {
  readonly layers: readonly ImageLayer[]
  readonly options: ImageOptions
  readonly contents: ImageDocument | undefined
}

async function publishImage(
  tools: BuildTools,
  target: BuildTarget,
  { layers, options, contents }: ImageParts,
  signal: AbortSignal,
): Promise<ManifestEntry> {
  const { config, ociManifest, dockerManifest } = assembleImage(
    target.request.platform,
    layers,
    options,
    tools.compression.codec,
  )
  // Each waits for the disk or the bucket; what leads to them comes when all are there.
  const documents = [config, ociManifest, dockerManifest, ...(contents ? [contents] : [])]
  const publish = (document: ImageDocument, until: AbortSignal) =>
    publishDocument(tools, document, until)
  await runInLanes(documents, documents.length, publish, signal)
  const image: ManifestEntry = {
    manifests: [ociManifest, dockerManifest].map(describeDocument),
    blobs: [
      { digest: config.digest, size: config.bytes.length },
      ...layers.map((layer) => ({ digest: layer.digest, size: layer.sizeBytes })),
    ],
    about: {
      name: target.name,
      platform: formatPlatform(target.request.platform),
      revision: target.source.revision,
    },
    ...(contents && { contents: { digest: contents.digest, size: contents.bytes.length } }),
  }
  await requireBlobs(tools, image.blobs, signal)
  if (!target.source.fixed) return image
  const stored = await tools.entries.putFirst('manifests', target.key, image, signal)
  return adoptManifest(tools, stored, image, signal)
}

function imageLayer(layer: BuildEntry, createdBy: string): ImageLayer {
  return { digest: layer.digest, sizeBytes: layer.sizeBytes, diffId: layer.diffId, createdBy }
}

// `docker history` shows one line per layer; a group may hold thousands of paths.
const maxNamedPaths = 8

function describePaths(paths: readonly StorePath[]): string {
  const named = paths.slice(0, maxNamedPaths).map(storePathName).join(' ')
  const more = paths.length - maxNamedPaths
  return more > 0 ? `${named} and ${more} more` : named
}

function packagePaths(found: FoundPackage): readonly StorePath[] {
  return found.outputs.map((output) => output.path)
}

function outputPaths(packages: readonly FoundPackage[]): readonly StorePath[] {
  return [...new Set(packages.flatMap(packagePaths))].sort()
}
