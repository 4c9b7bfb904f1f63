import type { Digest } from '#core/oci/digest.ts'
import type { Basis } from './cached-manifests.ts'
import { findSource } from './ports/package-source.ts'
import { recentImageKey, type RecentManifests } from './recent-manifests.ts'
import {
  pinImage,
  readImageName,
  type DeniedName,
  type NameRefusal,
  type NameTools,
  type ResolveTools,
  type TagRefusal,
} from './resolve-image.ts'
import {
  serveFirstImage,
  serveImage,
  serveIndex,
  type FailedImage,
  type PlatformTools,
  type ServedImage,
  type TaggedRequest,
} from './serve-platforms.ts'

export interface ManifestTools extends PlatformTools, ResolveTools {
  /** Only where the storage tells of changes. */
  readonly recent?: RecentManifests | undefined
}

export interface ManifestRequest {
  readonly name: string
  readonly tag: string
  /** Whether the client reads image indexes. */
  readonly acceptsIndex: boolean
}

export type ManifestOutcome = ServedImage | FailedImage | NameRefusal | TagRefusal

/**
 * From a repository name and a tag to an image, or to an index of images: from cache, or by
 * builds. `signal` is the caller's patience: aborting it leaves builds that others may wait for.
 */
export async function serveManifest(
  tools: ManifestTools,
  { name, tag, acceptsIndex }: ManifestRequest,
  signal: AbortSignal,
): Promise<ManifestOutcome> {
  const { recent } = tools
  const moment = recent?.images.moment()
  const named = await readImageName(tools, name)
  if (named.kind !== 'named') return named
  if (named.request.spec === undefined) recent?.names.set(name, named.request)

  const resolved = await pinImage(tools, named, tag, signal)
  if (resolved.kind !== 'resolved') return resolved
  const { request, basis } = resolved
  const key = recentImageKey({ name, acceptsIndex, ...basis })
  const known = request.spec === undefined ? recent?.images.recall(key) : undefined
  if (known !== undefined) return known
  const outcome = await servePinned(tools, { ...request, tag }, acceptsIndex, basis, signal)
  if (moment !== undefined && request.spec === undefined && isLasting(outcome))
    recent?.images.keep(key, outcome, digestsOf(outcome), moment)
  return outcome
}

/** The same from memory, at once, when it was found a moment ago and nothing has changed since. */
export function recallManifest(
  { recent, specs, sources, popularity }: ManifestTools,
  { name, tag, acceptsIndex }: ManifestRequest,
): ServedImage | undefined {
  const request = specs.isEmpty === true ? recent?.names.get(name) : undefined
  if (request === undefined) return undefined
  const pin = findSource(sources, request.source).recall?.(tag)
  if (pin?.kind !== 'pinned') return undefined
  const { pinned } = pin
  return recent?.images.recall(
    recentImageKey({ name, acceptsIndex, pinned, popularity: popularity() }),
  )
}

/** Whether the next one who asks gets the same. */
function isLasting(outcome: ServedImage | FailedImage): outcome is ServedImage {
  return (
    outcome.kind === 'image' &&
    outcome.cached &&
    outcome.pinned.fixed &&
    outcome.leftOut === undefined
  )
}

function digestsOf({ image }: ServedImage): readonly Digest[] {
  return image.manifests.map(({ digest }) => digest)
}

async function servePinned(
  tools: ManifestTools,
  request: TaggedRequest,
  acceptsIndex: boolean,
  basis: Basis,
  signal: AbortSignal,
): Promise<ServedImage | FailedImage> {
  const [platform, ...others] = request.platforms
  if (others.length === 0) return serveImage(tools, request, platform, basis, signal)
  return acceptsIndex
    ? serveIndex(tools, request, basis, signal)
    : serveFirstImage(tools, request, basis, signal)
}

/**
 * What the policy says of a name without a tag: a pull by digest asks no source, and what is stored
 * may be older than the policy.
 */
export async function refuseName(
  tools: NameTools & Pick<ManifestTools, 'recent'>,
  name: string,
): Promise<DeniedName | undefined> {
  const named = await readImageName(tools, name)
  if (named.kind === 'named' && named.request.spec === undefined)
    tools.recent?.names.set(name, named.request)
  return named.kind === 'denied' ? named : undefined
}
