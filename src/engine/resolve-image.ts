import type { Popularity } from '#core/layers/popularity.ts'
import type { Platforms } from '#core/nix/system.ts'
import {
  parseImageRequest,
  readComponents,
  type ImageRequest,
  type ImageRequestOutcome,
  type NameGrammar,
} from '#core/request/image-request.ts'
import { findRefused, type PackagePolicy } from '#core/request/package-policy.ts'
import { labelRevision } from '#core/request/revision-labels.ts'
import type { Basis } from './cached-manifests.ts'
import { OperatingError } from './operating-error.ts'
import type { ImageSpec, ImageSpecs } from './ports/image-specs.ts'
import { findSource, type PackageSources, type PinnedSource } from './ports/package-source.ts'

/** What names are read with. */
export interface NameTools {
  readonly specs: ImageSpecs
  readonly grammar: NameGrammar
  readonly policy: PackagePolicy
}

export interface ResolveTools extends NameTools {
  readonly sources: PackageSources
  /** The snapshot of this moment. */
  readonly popularity: () => Popularity
  /** Whether images say which revision of the source they were made of; their digests then follow it. */
  readonly labelRevision: boolean
}

/** What a name asks for, whatever the tag. */
export interface NamedImage {
  readonly kind: 'named'
  readonly request: ImageRequest
  /** The tag of the source that `latest` stands for. */
  readonly latest: string
}

/** A name with a package that the operator's patterns leave out. */
export interface DeniedName {
  readonly kind: 'denied'
  readonly message: string
}

/** Why a name stands for no image. */
export type NameRefusal = DeniedName | { readonly kind: 'invalid-name'; readonly message: string }

/** Why a tag stands for no image of a name. */
export interface TagRefusal {
  readonly kind: 'unknown-tag' | 'forbidden-tag'
  readonly message: string
}

/** What a name and a tag stand for now. */
export interface ResolvedImage {
  readonly kind: 'resolved'
  readonly request: ImageRequest
  readonly basis: Basis
}

/** From a repository name and a tag to everything that decides an image. */
export async function resolveImage(
  tools: ResolveTools,
  name: string,
  tag: string,
  signal: AbortSignal,
): Promise<ResolvedImage | NameRefusal | TagRefusal> {
  const named = await readImageName(tools, name)
  return named.kind === 'named' ? pinImage(tools, named, tag, signal) : named
}

/** Asks no source. */
export async function readImageName(
  tools: NameTools,
  name: string,
): Promise<NamedImage | NameRefusal> {
  const { parsed, latest } = await readName(tools, name)
  if (parsed.kind === 'invalid') return { kind: 'invalid-name', message: parsed.message }
  const { request } = parsed
  const refused = findRefused(tools.policy, request)
  if (refused === undefined) return { kind: 'named', request, latest }
  const message = `${refused} is not among the packages that this registry serves`
  return { kind: 'denied', message }
}

/** What a name is built for, which it may force; `undefined` for one that stands for no image. */
export async function findPlatforms(
  tools: NameTools,
  name: string,
): Promise<Platforms | undefined> {
  const named = await readImageName(tools, name)
  return named.kind === 'named' ? named.request.platforms : undefined
}

/** Pins the package source of a name. */
export async function pinImage(
  tools: ResolveTools,
  { request, latest }: NamedImage,
  tag: string,
  signal: AbortSignal,
): Promise<ResolvedImage | TagRefusal> {
  const source = findSource(tools.sources, request.source)
  const pin = await source.pin(tag === 'latest' ? latest : tag, signal)
  if (pin.kind !== 'pinned') return pin
  const { pinned } = pin
  return {
    kind: 'resolved',
    request: tools.labelRevision ? withLabels(request, pinned) : request,
    basis: { pinned, popularity: tools.popularity() },
  }
}

/** A stored spec's full name comes before packages that are called like it. */
async function readName(
  { specs, grammar }: NameTools,
  name: string,
): Promise<{ readonly parsed: ImageRequestOutcome; readonly latest: string }> {
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
