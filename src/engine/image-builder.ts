import type { CacheKey } from '#core/request/cache-key.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { PlatformRequest } from '#core/request/image-request.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { BuildSubject } from './ports/build-observer.ts'
import type { PinnedSource } from './ports/package-source.ts'

/** One pinned image request: what a build is for. */
export interface BuildTarget {
  /** Names the image; builds of one key are one build when the source is fixed. */
  readonly key: CacheKey
  /** What people call the image, whatever its platform. */
  readonly name: string
  /** What pulls it; of builds that are one, the first one's. */
  readonly pulled: PulledName
  readonly request: PlatformRequest
  readonly source: PinnedSource
  readonly popularity: Popularity
}

export interface PulledName {
  readonly name: string
  readonly tag: string
}

export function subjectOf({ pulled, request, source }: BuildTarget): BuildSubject {
  return { ...pulled, request, source: source.source, revision: source.revision }
}

/** One build of a target. */
export interface NumberedTarget extends BuildTarget {
  /** The same in log, API, error messages and pages. */
  readonly buildId: string
}

/**
 * Makes images. The parts that make a build shared, limited and recorded wrap this interface, so
 * each stands alone; `compose.ts` stacks them. Rejects with the signal's reason when aborted.
 */
export interface ImageBuilder<Target extends BuildTarget = BuildTarget> {
  /** `onBuild` learns the id of the build that the caller gets, as soon as there is room for it; it must not throw. */
  build(
    target: Target,
    signal: AbortSignal,
    onBuild?: (buildId: string) => void,
  ): Promise<BuildOutcome>
}
