import type { Popularity } from '#core/layers/popularity.ts'
import {
  parseImageRequest,
  readComponents,
  type ImageRequest,
  type ImageRequestOutcome,
  type NameGrammar,
} from '#core/request/image-request.ts'
import { findRefused } from '#core/request/package-policy.ts'
import { labelRevision } from '#core/request/revision-labels.ts'
import { OperatingError } from './operating-error.ts'
import type { ImageSpec, ImageSpecs } from './ports/image-specs.ts'
import { findSource, type PackageSources, type PinnedSource } from './ports/package-source.ts'
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
  const outcome = readComponents(subject, packages, source, options, grammar)
  return outcome.kind === 'invalid'
    ? outcome
    : { ...outcome, request: { ...outcome.request, spec: name } }
}

function withLabels(request: ImageRequest, pinned: PinnedSource): ImageRequest {
  return { ...request, options: labelRevision(request.options, pinned) }
}
