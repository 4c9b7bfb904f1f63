import { assembleIndex, type PlatformManifests } from '#core/assembly/image-index.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import { formatPlatform, type Platform } from '#core/nix/system.ts'
import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'
import {
  parseImageRequest,
  readComponents,
  type ImageRequest,
  type ImageRequestOutcome,
  type NameGrammar,
  type PlatformRequest,
} from '#core/request/image-request.ts'
import { findRefused, type PackagePolicy } from '#core/request/package-policy.ts'
import { labelRevision } from '#core/request/revision-labels.ts'
import type { BuildFailure } from './build-outcome.ts'
import type { ImageBuilder } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { ImageSpec, ImageSpecs } from './ports/image-specs.ts'
import { findSource, type PackageSources, type PinnedSource } from './ports/package-source.ts'
import type { Compression } from './ports/packer.ts'
import { publishDocument } from './publish-document.ts'
import { describeDocument, parseManifestEntry, type ManifestEntry } from './stored-entries.ts'

// Raise this when the documents of an equal request change: every cached manifest is then made anew.
const imageFormat = 1

export interface ManifestTools {
  readonly sources: PackageSources
  readonly grammar: NameGrammar
  readonly specs: ImageSpecs
  readonly policy: PackagePolicy
  readonly builder: ImageBuilder
  readonly entries: EntryStore
  readonly blobs: BlobStore
  readonly layerBudget: number
  /** The snapshot of this moment. */
  readonly popularity: () => Popularity
  readonly compression: Compression
  /** Whether images say which revision of the source they were made of; their digests then follow it. */
  readonly labelRevision: boolean
}

export interface ManifestRequest {
  readonly name: string
  readonly tag: string
  /** Whether the client reads image indexes. */
  readonly acceptsIndex: boolean
}

/** A name with a package that the operator's patterns leave out. */
export interface DeniedName {
  readonly kind: 'denied'
  readonly message: string
}

export type ManifestOutcome =
  | {
      readonly kind: 'image'
      /** An image, or an index of images: what `manifests` lists. */
      readonly image: ManifestEntry
      readonly cached: boolean
      readonly pinned: PinnedSource
    }
  | { readonly kind: 'invalid-name'; readonly message: string }
  | DeniedName
  | { readonly kind: 'unknown-tag' | 'forbidden-tag'; readonly message: string }
  | {
      readonly kind: 'failed'
      readonly buildId: string
      readonly failure: BuildFailure
      readonly pinned: PinnedSource
      /** Of the image that failed, when the name stands for several. */
      readonly platform?: Platform
    }

type Image = Extract<ManifestOutcome, { readonly kind: 'image' }>
type Failed = Extract<ManifestOutcome, { readonly kind: 'failed' }>

/**
 * From a repository name and a tag to an image, or to an index of images: from cache, or by
 * builds. `signal` is the caller's patience: aborting it leaves builds that others may wait for.
 */
export async function serveManifest(
  tools: ManifestTools,
  { name, tag, acceptsIndex }: ManifestRequest,
  signal: AbortSignal,
): Promise<ManifestOutcome> {
  const { parsed, latest } = await readName(tools, name)
  if (parsed.kind === 'invalid') return { kind: 'invalid-name', message: parsed.message }
  const { request } = parsed

  const denied = refuseRequest(tools, request)
  if (denied !== undefined) return denied

  const source = findSource(tools.sources, request.source)
  const pin = await source.pin(tag === 'latest' ? latest : tag, signal)
  if (pin.kind !== 'pinned') return pin

  const { pinned } = pin
  const basis = { pinned, popularity: tools.popularity() }
  const labelled = tools.labelRevision ? withLabels(request, pinned) : request
  const [platform, ...others] = request.platforms
  if (others.length === 0) return serveImage(tools, labelled, platform, basis, signal)
  return acceptsIndex
    ? serveIndex(tools, labelled, basis, signal)
    : serveFirstImage(tools, labelled, basis, signal)
}

/**
 * What the policy says of a name without a tag: a pull by digest asks no source, and what is stored
 * may be older than the policy.
 */
export async function refuseName(
  tools: Pick<ManifestTools, 'specs' | 'grammar' | 'policy'>,
  name: string,
): Promise<DeniedName | undefined> {
  const { parsed } = await readName(tools, name)
  return parsed.kind === 'invalid' ? undefined : refuseRequest(tools, parsed.request)
}

function refuseRequest(
  { policy }: Pick<ManifestTools, 'policy'>,
  request: ImageRequest,
): DeniedName | undefined {
  const refused = findRefused(policy, request)
  if (refused === undefined) return undefined
  const message = `${refused} is not among the packages that this registry serves`
  return { kind: 'denied', message }
}

interface ReadName {
  readonly parsed: ImageRequestOutcome
  /** The tag of the source that `latest` stands for. */
  readonly latest: string
}

/** A stored spec's full name comes before packages that are called like it. */
async function readName(
  { specs, grammar }: Pick<ManifestTools, 'specs' | 'grammar'>,
  name: string,
): Promise<ReadName> {
  const spec = await specs.find(name)
  if (spec === undefined) return { parsed: parseImageRequest(name, grammar), latest: 'latest' }
  const parsed = readSpec(name, spec, grammar)
  if (parsed.kind === 'invalid') throw new OperatingError('SPEC_INVALID', parsed.message)
  return { parsed, latest: spec.tag ?? 'latest' }
}

/** What a stored spec asks for; `invalid` is for its operator to mend. */
export function readSpec(
  name: string,
  { packages, source, options }: ImageSpec,
  grammar: NameGrammar,
): ImageRequestOutcome {
  const subject = `the spec ${name}`
  if (source !== '' && !grammar.sourceNames.has(source)) {
    const message = `${subject} names a package source that is not configured: ${source}`
    return { kind: 'invalid', message }
  }
  return readComponents(subject, packages, source, options, grammar)
}

/** What all images of one answer are made from, whatever changes meanwhile. */
interface Basis {
  readonly pinned: PinnedSource
  readonly popularity: Popularity
}

function withLabels(request: ImageRequest, pinned: PinnedSource): ImageRequest {
  return { ...request, options: labelRevision(request.options, pinned) }
}

/** The image of one of the platforms that a name stands for. */
async function serveImage(
  tools: ManifestTools,
  image: ImageRequest,
  platform: Platform,
  basis: Basis,
  signal: AbortSignal,
): Promise<Image | Failed> {
  const request = platformRequest(image, platform)
  const { pinned, popularity } = basis
  const key = imageKey(tools, request, basis)
  const cached = await readUsableManifest(tools, key, pinned, signal)
  if (cached !== undefined) return { kind: 'image', image: cached, cached: true, pinned }

  const outcome = await tools.builder.build({ key, request, source: pinned, popularity }, signal)
  return outcome.kind === 'built'
    ? { kind: 'image', image: outcome.image, cached: false, pinned }
    : { ...outcome, pinned }
}

/** For clients that read no index: the first platform that has all packages. */
async function serveFirstImage(
  tools: ManifestTools,
  request: ImageRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<Image | Failed> {
  const [platform, second, ...more] = request.platforms
  const outcome = await serveImage(tools, request, platform, basis, signal)
  if (second === undefined || !isUnsupported(outcome)) return onPlatform(outcome, platform)
  return serveFirstImage(tools, { ...request, platforms: [second, ...more] }, basis, signal)
}

/** The images of all platforms, made side by side, behind one index. */
async function serveIndex(
  tools: ManifestTools,
  request: ImageRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<Image | Failed> {
  const { pinned } = basis
  const key = indexKey(tools, request, basis)
  const cached = await readUsableManifest(tools, key, pinned, signal)
  if (cached !== undefined) return { kind: 'image', image: cached, cached: true, pinned }

  const outcomes = await servePlatforms(tools, request, basis, signal)
  const failed = outcomes.find(endsIndex)
  if (failed !== undefined) return failed
  const images = outcomes.flatMap((outcome, index) =>
    outcome.kind === 'image'
      ? [{ platform: request.platforms[index]!, image: outcome.image, cached: outcome.cached }]
      : [],
  )
  // No platform has all packages: the first one's refusal says which are missing.
  if (images.length === 0) return outcomes[0]!
  const image = await publishIndex(tools, key, images, pinned, signal)
  return { kind: 'image', image, cached: images.every(({ cached }) => cached), pinned }
}

/**
 * What each platform gives, or the first failure that ends the index: nobody waits for the others
 * then, and their builds are left like those of any caller who goes.
 */
async function servePlatforms(
  tools: ManifestTools,
  request: ImageRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<readonly (Image | Failed)[]> {
  const leaving = new AbortController()
  const waiting = AbortSignal.any([signal, leaving.signal])
  const { promise: ended, resolve: end } = Promise.withResolvers<readonly [Image | Failed]>()
  const serve = async (platform: Platform) => {
    const outcome = onPlatform(await serveImage(tools, request, platform, basis, waiting), platform)
    if (endsIndex(outcome)) end([outcome])
    return outcome
  }
  try {
    return await Promise.race([ended, takingTurns(request.platforms, serve)])
  } finally {
    leaving.abort()
  }
}

/**
 * Makes all at once. What finds no place in the queue is made after the others, whose place it takes:
 * the images of one index must not drive each other away.
 */
async function takingTurns<Item, Made>(
  items: readonly Item[],
  make: (item: Item) => Promise<Made>,
): Promise<readonly Made[]> {
  const refused: unknown[] = []
  const attempts = await Promise.all(
    items.map((item) =>
      make(item).catch((error: unknown) => {
        if (!(error instanceof OperatingError && error.code === 'OVERLOADED')) throw error
        refused.push(error)
        return undefined
      }),
    ),
  )
  if (refused.length === items.length) throw refused[0]
  const made: Made[] = []
  for (const [index, attempt] of attempts.entries())
    made.push(attempt ?? (await make(items[index]!)))
  return made
}

/** Whether a failure is one that no index is made with. */
function endsIndex(outcome: Image | Failed): boolean {
  return outcome.kind === 'failed' && !isUnsupported(outcome)
}

/** Whether evaluation says that a package does not exist for the platform; then the platform is left out. */
function isUnsupported(outcome: Image | Failed): boolean {
  return (
    outcome.kind === 'failed' &&
    outcome.failure.kind === 'packages' &&
    outcome.failure.failures.every(({ kind }) => kind === 'unsupported-system')
  )
}

function onPlatform(outcome: Image | Failed, platform: Platform | undefined): Image | Failed {
  return outcome.kind === 'failed' && platform !== undefined ? { ...outcome, platform } : outcome
}

interface PlatformImage {
  readonly platform: Platform
  readonly image: ManifestEntry
}

async function publishIndex(
  tools: ManifestTools,
  key: CacheKey,
  images: readonly PlatformImage[],
  pinned: PinnedSource,
  signal: AbortSignal,
): Promise<ManifestEntry> {
  const { ociIndex, dockerList } = assembleIndex(images.map(platformManifests))
  for (const document of [ociIndex, dockerList]) {
    await publishDocument(tools.blobs, document, signal)
  }
  const needed = images.flatMap(({ image }) => [...image.manifests, ...image.blobs])
  const index: ManifestEntry = {
    manifests: [ociIndex, dockerList].map(describeDocument),
    blobs: [...new Map(needed.map(({ digest, size }) => [digest, { digest, size }])).values()],
  }
  if (!pinned.fixed) return index
  return parseManifestEntry(await tools.entries.putFirst('manifests', key, index, signal)) ?? index
}

function platformManifests({ platform, image }: PlatformImage): PlatformManifests {
  const [oci, docker] = image.manifests
  if (oci === undefined || docker === undefined) throw new Error('an image has two manifests')
  return { platform, oci, docker }
}

/** Everything that decides the image's content; not the compressor's build, see `EntryStore`. */
function imageKey(
  tools: ManifestTools,
  { platform, shell, packages, options }: PlatformRequest,
  { pinned, popularity }: Basis,
): CacheKey {
  return cacheKeyOf({
    format: imageFormat,
    source: pinned.identity,
    policy: { ...tools.policy },
    platform: formatPlatform(platform),
    packages,
    shell,
    options: { ...options },
    layerBudget: tools.layerBudget,
    popularity: popularity.kind === 'snapshot' ? popularity.version : null,
    compression: { codec: tools.compression.codec, level: tools.compression.level },
  })
}

/** An index is decided by the images that it may list. */
function indexKey(tools: ManifestTools, request: ImageRequest, basis: Basis): CacheKey {
  return cacheKeyOf({
    index: request.platforms.map((platform) =>
      imageKey(tools, platformRequest(request, platform), basis),
    ),
  })
}

function platformRequest(
  { shell, packages, options }: ImageRequest,
  platform: Platform,
): PlatformRequest {
  return { platform, shell, packages, options }
}

/** A cached manifest counts only while every blob that it needs is there, whole. */
async function readUsableManifest(
  tools: ManifestTools,
  key: CacheKey,
  { fixed }: PinnedSource,
  signal: AbortSignal,
): Promise<ManifestEntry | undefined> {
  if (!fixed) return undefined
  const value = await tools.entries.get('manifests', key, signal)
  if (value === undefined) return undefined
  const image = parseManifestEntry(value)
  if (image !== undefined && (await isComplete(tools.blobs, image, signal))) return image
  await tools.entries.remove('manifests', key, signal)
  return undefined
}

async function isComplete(
  blobs: BlobStore,
  image: ManifestEntry,
  signal: AbortSignal,
): Promise<boolean> {
  const stats = await Promise.all(image.blobs.map((blob) => blobs.stat(blob.digest, signal)))
  if (stats.some((stat, index) => stat?.sizeBytes !== image.blobs[index]?.size)) return false
  // Reading them checks their digests, and one of them is about to be sent.
  const documents = await Promise.all(
    image.manifests.map(({ digest }) => blobs.readDocument(digest, signal)),
  )
  return documents.every((document) => document !== undefined)
}
