import { assembleIndex, type PlatformManifests } from '#core/assembly/image-index.ts'
import type { Platform } from '#core/nix/system.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import { formatImageName, formatPullName } from '#core/request/image-name.ts'
import { onPlatform, type ImageRequest, type NameGrammar } from '#core/request/image-request.ts'
import type { BuildFailure } from './build-outcome.ts'
import {
  adoptManifest,
  imageKey,
  indexKey,
  readUsableManifest,
  type Basis,
  type ImageSettings,
} from './cached-manifests.ts'
import type { BlobClaims } from './claim-blobs.ts'
import type { ImageBuilder } from './image-builder.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { PinnedSource } from './ports/package-source.ts'
import type { StorageObserver } from './ports/storage-observer.ts'
import { publishDocument } from './publish-document.ts'
import { requireBlobs } from './require-blobs.ts'
import { describeDocument, type AboutImage, type ManifestEntry } from './stored-entries.ts'
import { takeTurns } from './take-turns.ts'

export interface PlatformTools extends ImageSettings {
  readonly grammar: NameGrammar
  readonly builder: ImageBuilder
  /** Learns the id of each build that the caller waits for. */
  readonly onBuild?: (buildId: string) => void
  readonly entries: EntryStore
  readonly blobs: BlobStore
  readonly claims: BlobClaims
  readonly storageObserver: StorageObserver
}

/** What somebody asks for, by the tag that they named. The tag decides nothing: the pin that it led to does. */
export interface TaggedRequest extends ImageRequest {
  readonly tag: string
}

export interface ServedImage {
  readonly kind: 'image'
  /** An image, or an index of images: what `manifests` lists. */
  readonly image: ManifestEntry
  readonly cached: boolean
  readonly pinned: PinnedSource
  /** Platforms that an index made just now goes without: a package does not exist for them. */
  readonly leftOut?: readonly Platform[]
}

export interface FailedImage {
  readonly kind: 'failed'
  readonly buildId: string
  readonly failure: BuildFailure
  readonly pinned: PinnedSource
  /** Of the image that failed, when the name stands for several. */
  readonly platform?: Platform
}

/** The image of one of the platforms that a name stands for. */
export async function serveImage(
  tools: PlatformTools,
  image: TaggedRequest,
  platform: Platform,
  basis: Basis,
  signal: AbortSignal,
): Promise<ServedImage | FailedImage> {
  const request = onPlatform(image, platform)
  const { pinned, popularity } = basis
  const key = imageKey(tools, request, basis)
  const cached = await readUsableManifest(tools, key, pinned, signal)
  if (cached !== undefined) return { kind: 'image', image: cached, cached: true, pinned }

  const target = {
    key,
    name: formatImageName(image),
    pulled: { name: formatPullName(image, tools.grammar.platforms), tag: image.tag },
    request,
    source: pinned,
    popularity,
  }
  const outcome = await tools.builder.build(target, signal, tools.onBuild)
  return outcome.kind === 'built'
    ? { kind: 'image', image: outcome.image, cached: false, pinned }
    : { ...outcome, pinned }
}

/** For clients that read no index: the first platform that has all packages. */
export async function serveFirstImage(
  tools: PlatformTools,
  request: TaggedRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<ServedImage | FailedImage> {
  const [platform, second, ...more] = request.platforms
  const outcome = await serveImage(tools, request, platform, basis, signal)
  if (second === undefined || !isUnsupported(outcome)) return namePlatform(outcome, platform)
  return serveFirstImage(tools, { ...request, platforms: [second, ...more] }, basis, signal)
}

/** The images of all platforms, made side by side, behind one index. */
export async function serveIndex(
  tools: PlatformTools,
  request: TaggedRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<ServedImage | FailedImage> {
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
  const about = { name: formatImageName(request), revision: pinned.revision }
  const image = await publishIndex(tools, { key, about, images }, pinned, signal)
  const leftOut = request.platforms.filter((_, index) => outcomes[index]?.kind === 'failed')
  const isCached = images.every((each) => each.cached)
  return { kind: 'image', image, cached: isCached, pinned, ...(leftOut.length > 0 && { leftOut }) }
}

/**
 * What each platform gives, or the first failure that ends the index: nobody waits for the others
 * then, and their builds are left like those of any caller who goes.
 */
async function servePlatforms(
  tools: PlatformTools,
  request: TaggedRequest,
  basis: Basis,
  signal: AbortSignal,
): Promise<readonly (ServedImage | FailedImage)[]> {
  const leaving = new AbortController()
  const waiting = AbortSignal.any([signal, leaving.signal])
  const { promise: ended, resolve: end } =
    Promise.withResolvers<readonly [ServedImage | FailedImage]>()
  const serve = async (platform: Platform) => {
    const outcome = namePlatform(
      await serveImage(tools, request, platform, basis, waiting),
      platform,
    )
    if (endsIndex(outcome)) end([outcome])
    return outcome
  }
  try {
    return await Promise.race([ended, takeTurns(request.platforms, serve)])
  } finally {
    leaving.abort()
  }
}

/** Whether a failure is one that no index is made with. */
function endsIndex(outcome: ServedImage | FailedImage): boolean {
  return outcome.kind === 'failed' && !isUnsupported(outcome)
}

/** Whether evaluation says that a package does not exist for the platform; then the platform is left out. */
function isUnsupported(outcome: ServedImage | FailedImage): boolean {
  return (
    outcome.kind === 'failed' &&
    outcome.failure.kind === 'packages' &&
    outcome.failure.failures.every(({ kind }) => kind === 'unsupported-system')
  )
}

/** Says of a failure which of the images it is about. */
function namePlatform(
  outcome: ServedImage | FailedImage,
  platform: Platform | undefined,
): ServedImage | FailedImage {
  return outcome.kind === 'failed' && platform !== undefined ? { ...outcome, platform } : outcome
}

interface PlatformImage {
  readonly platform: Platform
  readonly image: ManifestEntry
}

interface IndexContent {
  readonly key: CacheKey
  readonly about: AboutImage
  readonly images: readonly PlatformImage[]
}

async function publishIndex(
  tools: PlatformTools,
  { key, about, images }: IndexContent,
  pinned: PinnedSource,
  signal: AbortSignal,
): Promise<ManifestEntry> {
  const { ociIndex, dockerList } = assembleIndex(images.map(platformManifests))
  for (const document of [ociIndex, dockerList]) {
    await publishDocument(tools, document, signal)
  }
  const needed = images.flatMap(({ image }) => [...image.manifests, ...image.blobs])
  const index: ManifestEntry = {
    manifests: [ociIndex, dockerList].map(describeDocument),
    blobs: [...new Map(needed.map(({ digest, size }) => [digest, { digest, size }])).values()],
    about,
  }
  // The first image may have been there for hours while the last one was built.
  await requireBlobs(tools, index.blobs, signal)
  if (!pinned.fixed) return index
  const stored = await tools.entries.putFirst('manifests', key, index, signal)
  return adoptManifest(tools, stored, index, signal)
}

function platformManifests({ platform, image }: PlatformImage): PlatformManifests {
  const [oci, docker] = image.manifests
  if (oci === undefined || docker === undefined) throw new Error('an image has two manifests')
  return { platform, oci, docker }
}
