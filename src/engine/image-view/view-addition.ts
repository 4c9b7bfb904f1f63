import type { AdditionView } from '#core/api/image-view.ts'
import { planLayers } from '#core/layers/plan-layers.ts'
import type { Platform } from '#core/nix/system.ts'
import { isRepositoryName } from '#core/oci/route.ts'
import { onPlatform, type PlatformRequest } from '#core/request/image-request.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { BuildFailure } from '../build-outcome.ts'
import { imageKey, type Basis } from '../cached-manifests.ts'
import { evaluatePackages, type EvaluationTools } from '../evaluate-packages.ts'
import { findTooLarge } from '../find-too-large.ts'
import type { Clock } from '../ports/clock.ts'
import type { PackageBuilder, PresentPackages } from '../ports/package-builder.ts'
import { resolveImage, type ResolvedImage, type ResolveTools } from '../resolve-image.ts'
import { findStoredImage, type StoredImageTools } from './find-stored-image.ts'
import {
  comparedContents,
  comparedPlan,
  compareImages,
  type ComparedImage,
} from './layer-comparison.ts'
import { readContents } from './read-contents.ts'
import type { RunInTurn } from './run-in-turn.ts'
import { notStored, platformsOf, type ImageSubject, type ViewRefusal } from './view-image.ts'

export interface AdditionTools extends ResolveTools, StoredImageTools, EvaluationTools {
  readonly nix: Pick<PackageBuilder, 'evaluate' | 'closure' | 'lease'> & PresentPackages
  readonly clock: Clock
  /** Evaluation takes a core and much memory: few at a time. */
  readonly inTurn: RunInTurn
}

export interface AdditionSubject extends ImageSubject {
  /** As names have them: components joined by slashes. */
  readonly add: string
}

export type AdditionOutcome =
  | { readonly kind: 'viewed'; readonly view: AdditionView }
  /** There is no such image, for reasons that lie in the packages. */
  | { readonly kind: 'failed'; readonly failure: BuildFailure }
  | ViewRefusal

// Somebody looks at a page meanwhile. A package set that is on this machine answers in a second.
const patienceMs = 20_000

/** What a stored image would become with more packages. Builds and downloads no package. */
export async function viewAddition(
  tools: AdditionTools,
  subject: AdditionSubject,
  signal: AbortSignal,
): Promise<AdditionOutcome> {
  const { name, tag, add } = subject
  const before = await resolveImage(tools, name, tag, signal)
  if (before.kind !== 'resolved') return before
  const grownName = `${name}/${add}`
  const wrong = findWrongName(before, name, grownName)
  if (wrong !== undefined) return { kind: 'invalid-name', message: wrong }
  const after = await resolveImage(tools, grownName, tag, signal)
  if (after.kind !== 'resolved') return after
  const stored = await findStoredImage(tools, before, platformsOf(before, subject), signal)
  if (stored === undefined) return notStored(subject)

  const { platform } = stored
  const compared = await within(tools.clock, signal, async (until) => {
    const one = await describeImage(tools, before, platform, until)
    if (one === undefined || 'kind' in one) return one
    const other = await describeImage(tools, after, platform, until)
    return other === undefined || 'kind' in other ? other : compareImages(one, other)
  })
  if (compared !== undefined && 'kind' in compared) return { kind: 'failed', failure: compared }
  const view: AdditionView =
    compared === undefined
      ? { name: grownName, status: 'unknown' }
      : { name: grownName, status: 'known', ...compared }
  return { kind: 'viewed', view }
}

function findWrongName(
  { request }: ResolvedImage,
  name: string,
  grownName: string,
): string | undefined {
  if (request.spec !== undefined)
    return `${name} is an image of its own, described by the operator of this registry: nothing can be added to its name`
  return isRepositoryName(grownName)
    ? undefined
    : `${name} with that is no name that a client can ask for`
}

/** From what was noted, or planned of what is on this machine; `undefined` when neither tells. */
async function describeImage(
  tools: AdditionTools,
  resolved: ResolvedImage,
  platform: Platform,
  signal: AbortSignal,
): Promise<ComparedImage | BuildFailure | undefined> {
  const stored = await findStoredImage(tools, resolved, [platform], signal)
  const contents = stored && (await readContents(tools.blobs, stored.image, signal))
  const request = onPlatform(resolved.request, platform)
  const key = imageKey(tools, request, resolved.basis)
  return contents === undefined
    ? tools.inTurn(() => planImage(tools, { key, request, ...resolved.basis }, signal), signal)
    : comparedContents(key, contents)
}

interface PlannedImage extends Basis {
  readonly key: CacheKey
  readonly request: PlatformRequest
}

async function planImage(
  tools: AdditionTools,
  { key, request, pinned, popularity }: PlannedImage,
  signal: AbortSignal,
): Promise<ComparedImage | BuildFailure | undefined> {
  const { nix, policy, layerScheme, layerBudget } = tools
  const packages = await evaluatePackages(tools, { request, source: pinned }, signal)
  if (packages.kind !== 'found') return packages
  const lease = await nix.lease()
  try {
    if (!(await nix.holdPresent(packages.found, lease, signal))) return undefined
    const outputs = packages.found.flatMap((found) => found.outputs.map(({ path }) => path))
    const graph = await nix.closure(outputs, signal)
    const plan = () => planLayers(layerScheme, graph, popularity, layerBudget)
    return findTooLarge(graph, policy) ?? comparedPlan(key, graph, plan())
  } finally {
    await lease.release()
  }
}

/** `undefined` when it takes longer than people wait. */
async function within<Result>(
  clock: Clock,
  signal: AbortSignal,
  work: (until: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  const deadline = new AbortController()
  const stop = clock.after(patienceMs, () => deadline.abort(new Error('deadline passed')))
  try {
    return await work(AbortSignal.any([signal, deadline.signal]))
  } catch (error) {
    if (!deadline.signal.aborted || signal.aborted) throw error
    return undefined
  } finally {
    stop()
  }
}
