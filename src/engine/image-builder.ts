import type { CacheKey } from '#core/request/cache-key.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { PlatformRequest } from '#core/request/image-request.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { PinnedSource } from './ports/package-source.ts'

/** One pinned image request: what a build is for. */
export interface BuildTarget {
  /** Names the image; builds of one key are one build when the source is fixed. */
  readonly key: CacheKey
  /** What people call the image; of builds that are one, the first one's. */
  readonly name: string
  readonly request: PlatformRequest
  readonly source: PinnedSource
  readonly popularity: Popularity
}

/**
 * Makes images. The parts that make a build shared, limited and recorded wrap this interface, so
 * each stands alone; `compose.ts` stacks them. Rejects with the signal's reason when aborted.
 */
export interface ImageBuilder {
  build(target: BuildTarget, signal: AbortSignal): Promise<BuildOutcome>
}
