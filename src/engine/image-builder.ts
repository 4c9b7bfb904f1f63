import type { CacheKey } from '#core/request/cache-key.ts'
import type { ImageRequest } from '#core/request/image-request.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { PinnedSource } from './ports/package-builder.ts'

/** One pinned image request: what a build is for. */
export interface BuildTarget {
  /** Names the image; cacheable builds of one key are one build. */
  readonly key: CacheKey
  readonly request: ImageRequest
  readonly source: PinnedSource
  readonly cacheable: boolean
}

/**
 * Makes images. The parts that make a build shared, limited and recorded wrap this interface, so
 * each stands alone; `compose.ts` stacks them. Rejects with the signal's reason when aborted.
 */
export interface ImageBuilder {
  build(target: BuildTarget, signal: AbortSignal): Promise<BuildOutcome>
}
