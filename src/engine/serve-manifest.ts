import type { Popularity } from '#core/layers/popularity.ts'
import type { Digest } from '#core/oci/digest.ts'
import {
  parseImageRequest,
  readComponents,
  type ImageRequest,
  type ImageRequestOutcome,
  type NameGrammar,
} from '#core/request/image-request.ts'
import { findRefused } from '#core/request/package-policy.ts'
import { labelRevision } from '#core/request/revision-labels.ts'
import type { Basis } from './cached-manifests.ts'
import { OperatingError } from './operating-error.ts'
import type { ImageSpec, ImageSpecs } from './ports/image-specs.ts'
import { findSource, type PackageSources, type PinnedSource } from './ports/package-source.ts'
import { recentImageKey, type RecentManifests } from './recent-manifests.ts'
import {
  serveFirstImage,
  serveImage,
  serveIndex,
  type FailedImage,
  type PlatformTools,
  type ServedImage,
} from './serve-platforms.ts'

export interface ManifestTools extends PlatformTools {
  readonly sources: PackageSources
  readonly grammar: NameGrammar
  readonly specs: ImageSpecs
  /** The snapshot of this moment. */
  readonly popularity: () => Popularity
  /** Whether images say which revision of the source they were made of; their digests then follow it. */
  readonly labelRevision: boolean
  /** Only where the storage tells of changes. */
  readonly recent?: RecentManifests | undefined
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
  | ServedImage
  | FailedImage
  | { readonly kind: 'invalid-name'; readonly message: string }
  | DeniedName
  | { readonly kind: 'unknown-tag' | 'forbidden-tag'; readonly message: string }

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
  const { parsed, latest } = await readName(tools, name)
  if (parsed.kind === 'invalid') return { kind: 'invalid-name', message: parsed.message }
  const { request } = parsed

  const denied = refuseRequest(tools, request)
  if (denied !== undefined) return denied
  if (request.spec === undefined) recent?.names.set(name, request)

  const source = findSource(tools.sources, request.source)
  const pin = await source.pin(tag === 'latest' ? latest : tag, signal)
  if (pin.kind !== 'pinned') return pin

  const { pinned } = pin
  const basis = { pinned, popularity: tools.popularity() }
  const key = recentImageKey({ name, acceptsIndex, ...basis })
  const known = request.spec === undefined ? recent?.images.recall(key) : undefined
  if (known !== undefined) return known
  const labelled = tools.labelRevision ? withLabels(request, pinned) : request
  const outcome = await servePinned(tools, labelled, acceptsIndex, basis, signal)
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
  request: ImageRequest,
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
  tools: Pick<ManifestTools, 'specs' | 'grammar' | 'policy' | 'recent'>,
  name: string,
): Promise<DeniedName | undefined> {
  const { parsed } = await readName(tools, name)
  if (parsed.kind === 'invalid') return undefined
  const { request } = parsed
  const denied = refuseRequest(tools, request)
  if (denied === undefined && request.spec === undefined) tools.recent?.names.set(name, request)
  return denied
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
  const outcome = readComponents(subject, packages, source, options, grammar)
  return outcome.kind === 'invalid'
    ? outcome
    : { ...outcome, request: { ...outcome.request, spec: name } }
}

function withLabels(request: ImageRequest, pinned: PinnedSource): ImageRequest {
  return { ...request, options: labelRevision(request.options, pinned) }
}
