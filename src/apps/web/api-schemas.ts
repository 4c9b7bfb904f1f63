import { z } from 'zod'
import type {
  BuildProgress,
  BuildSummary,
  LayerProgress,
  PlannedLayer,
  ProgressEvent,
  RealiseTotals,
  RecordedEvent,
} from '#core/api/build-progress.ts'
import type { ImageOrder, OrderedImage, OrderRequest, PlacedOrder } from '#core/api/image-order.ts'
import type { AdditionView, ImageView, ViewedLayer, ViewedPath } from '#core/api/image-view.ts'
import type { PackageListing, Problem, ServedSource, ServiceInfo } from '#core/api/service-info.ts'

/**
 * The types of `core/api` as schemas, from which the OpenAPI document is made; the compiler compares
 * the two. What clients send is read with them, what the service sends is not: tests compare that.
 */

const count = z.int().nonnegative()
const sizeBytes = count.describe('Bytes.')
const atMs = z.int().describe('Milliseconds since 1970.')
const digest = z.string().describe('`sha256:` and 64 hex digits.')
const id = z.string().describe('12 hex digits.')
const place = z.int().describe('Counted from 0.')

const plannedLayer: z.ZodType<PlannedLayer> = z
  .object({
    storePaths: z.array(z.string()).describe('Names; none for the root file system.'),
    narSizeBytes: sizeBytes,
  })
  .describe('A layer of the plan, from the bottom.')

const totalsShape = {
  buildsDone: count,
  buildsExpected: count,
  downloadedBytes: sizeBytes,
  downloadExpectedBytes: sizeBytes,
}
const realiseTotals: z.ZodType<RealiseTotals> = z.object(totalsShape)

const named = <Kind extends string>(kind: Kind) =>
  z.object({ kind: z.literal(kind), name: z.string() })

const layerDone = { layer: place, digest, sizeBytes }

const progressEvent: z.ZodType<ProgressEvent> = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('started') }),
    z.object({ kind: z.literal('evaluated'), derivations: count }),
    named('builder-started'),
    named('builder-finished'),
    named('log').extend({ line: z.string() }),
    named('download-started'),
    named('download-finished'),
    z.object({ kind: z.literal('totals'), ...totalsShape }),
    z.object({ kind: z.literal('planned'), layers: z.array(plannedLayer) }),
    z.object({ kind: z.literal('layer-progress'), layer: place, archivedBytes: sizeBytes }),
    z.object({ kind: z.literal('layer-packed'), ...layerDone }),
    z.object({ kind: z.literal('layer-reused'), ...layerDone }),
    z.object({ kind: z.literal('finished'), manifest: digest, sizeBytes }),
    z.object({ kind: z.literal('failed'), message: z.string() }),
    z.object({ kind: z.literal('aborted'), message: z.string() }),
  ])
  .describe('One fact of progress.')

const recordedEvent: z.ZodType<RecordedEvent> = z
  .object({ id: z.int().positive(), atMs, event: progressEvent })
  .describe('A fact with its place in the build and its time.')

const layerProgress: z.ZodType<LayerProgress> = z.object({
  storePaths: z.array(z.string()),
  narSizeBytes: sizeBytes,
  state: z.enum(['waiting', 'packing', 'packed', 'reused']),
  archivedBytes: sizeBytes,
  digest: digest.exactOptional(),
  sizeBytes: sizeBytes.exactOptional(),
})

const summaryShape = {
  id,
  name: z.string().describe('Repository name of the image.'),
  tag: z.string().describe('Under which it was first asked for; others may share the build.'),
  platform: z.string(),
  source: z.string().describe('Name of the package source; empty for the usual one.'),
  revision: z.string(),
  status: z.enum(['queued', 'running', 'finished', 'failed', 'aborted']),
  queuedAtMs: atMs,
  endedAtMs: atMs.exactOptional(),
  message: z.string().exactOptional(),
  manifest: digest.exactOptional(),
  sizeBytes: sizeBytes.exactOptional(),
}

const buildSummary: z.ZodType<BuildSummary> = z
  .object(summaryShape)
  .describe('What a build is for, and how it ended.')

const buildList = z.object({ builds: z.array(buildSummary) }).describe('The newest first.')

const buildProgress: z.ZodType<BuildProgress> = z
  .object({
    ...summaryShape,
    lastEvent: count.describe('The last event that is in it; 0 for none.'),
    startedAtMs: atMs.exactOptional(),
    step: z.enum(['evaluating', 'realising', 'packing']).exactOptional(),
    derivations: count.exactOptional(),
    totals: realiseTotals.exactOptional(),
    builders: z.array(z.string()),
    downloads: z.array(z.string()),
    layers: z.array(layerProgress),
  })
  .describe('All that is known of a build at one moment.')

/** What a client sends; nothing that it does not know. */
export const orderRequest: z.ZodType<OrderRequest> = z
  .strictObject({
    name: z.string().describe('Repository name, as in a pull.'),
    tag: z.string().exactOptional().describe('`latest` when it is left out.'),
  })
  .describe('What somebody wants to have built, without pulling it.')

const orderedImage: z.ZodType<OrderedImage> = z.object({
  digest,
  cached: z.boolean().describe('Whether nothing had to be built.'),
  revision: z.string(),
})

const imageOrder: z.ZodType<ImageOrder> = z
  .object({
    id,
    name: z.string(),
    tag: z.string(),
    placedAtMs: atMs,
    status: z.enum(['waiting', 'served', 'failed', 'cancelled']),
    builds: z.array(id),
    image: orderedImage.exactOptional(),
    message: z.string().exactOptional().describe('One line that says what to do.'),
  })
  .describe('An order in the service’s care.')

const placedOrder: z.ZodType<PlacedOrder> = z
  .object({
    order: imageOrder,
    token: z.string().describe('Cancels the order and shows logs of its builds; told once.'),
  })
  .describe('What placing an order gives.')

const viewedLayer: z.ZodType<ViewedLayer> = z.object({
  digest,
  sizeBytes,
  paths: z.array(place).describe('Places in the closure of its store paths.'),
  sharedWith: z.array(z.string()),
  sharedCount: count,
})

const viewedPath: z.ZodType<ViewedPath> = z.object({
  path: z.string(),
  narSizeBytes: sizeBytes,
  references: z.array(place),
  asked: z
    .literal(true)
    .exactOptional()
    .describe('It is there by its name, and not only because others need it.'),
})

const imageView: z.ZodType<ImageView> = z
  .object({
    name: z.string(),
    tag: z.string(),
    digest,
    platform: z.string(),
    platforms: z.array(z.string()),
    revision: z.string(),
    sizeBytes,
    sharing: z
      .enum(['known', 'counting'])
      .describe('`counting`: what is said of other images is not known yet.'),
    layers: z.array(viewedLayer),
    closure: z.array(viewedPath).exactOptional(),
  })
  .describe('A stored image.')

const additionView: z.ZodType<AdditionView> = z
  .object({
    name: z.string(),
    status: z.enum(['known', 'unknown']),
    added: z.array(z.object({ path: z.string(), narSizeBytes: sizeBytes })).exactOptional(),
    keptLayers: count.exactOptional(),
    newLayers: count.exactOptional(),
  })
  .describe('What an image would become with more packages.')

const servedSource: z.ZodType<ServedSource> = z.object({
  name: z.string(),
  revision: z.string().exactOptional(),
  origin: z.string().exactOptional(),
})

const serviceInfo: z.ZodType<ServiceInfo> = z
  .object({
    version: z.string(),
    web: z.enum(['status', 'full']),
    sources: z.array(servedSource),
    platforms: z.array(z.string()),
    example: z.string().exactOptional(),
  })
  .describe('What serves, and what it serves.')

const packageFound = z.object({
  name: z.string(),
  attributePath: z.string(),
  version: z.string().exactOptional(),
  description: z.string().exactOptional(),
  platforms: z.array(z.string()).describe('The served platforms that have it.'),
})

const packageListing: z.ZodType<PackageListing> = z
  .object({
    status: z.enum(['found', 'listing', 'unsearchable']),
    packages: z.array(packageFound),
    near: z.array(packageFound).describe('Names near the words, when few packages have those.'),
    platforms: z.array(z.string()).exactOptional(),
    revision: z.string().exactOptional(),
    message: z.string().exactOptional(),
  })
  .describe('Packages that have all words, best first.')

const problem: z.ZodType<Problem> = z
  .object({ title: z.string(), status: z.int(), detail: z.string() })
  .describe('Why a request failed (RFC 9457).')

/** By the names that they have in the OpenAPI document. */
export const apiSchemas = {
  AdditionView: additionView,
  BuildList: buildList,
  BuildProgress: buildProgress,
  BuildSummary: buildSummary,
  ImageOrder: imageOrder,
  ImageView: imageView,
  LayerProgress: layerProgress,
  OrderRequest: orderRequest,
  PackageListing: packageListing,
  PlacedOrder: placedOrder,
  PlannedLayer: plannedLayer,
  Problem: problem,
  ProgressEvent: progressEvent,
  RecordedEvent: recordedEvent,
  ServiceInfo: serviceInfo,
} as const

export type ApiSchemaName = keyof typeof apiSchemas
