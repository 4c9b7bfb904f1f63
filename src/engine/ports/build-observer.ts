import type { PlatformRequest } from '#core/request/image-request.ts'
import type { RealiseProgress } from './package-builder.ts'
import type { BuildFailure } from '../build-outcome.ts'

/** One fact of a build's progress. Times are the observer's business. */
export type BuildEvent =
  | {
      readonly kind: 'started'
      readonly request: PlatformRequest
      /** Name of the package source; '' for the one that needs none. */
      readonly source: string
      readonly revision: string
    }
  | { readonly kind: 'evaluated'; readonly derivations: number }
  | { readonly kind: 'realising'; readonly progress: RealiseProgress }
  | {
      readonly kind: 'planned'
      readonly storePaths: number
      readonly layers: number
      readonly narSizeBytes: number
    }
  | {
      readonly kind: 'layer-packed'
      readonly digest: string
      readonly sizeBytes: number
      readonly archiveSizeBytes: number
    }
  | { readonly kind: 'layer-reused'; readonly digest: string; readonly sizeBytes: number }
  | { readonly kind: 'finished'; readonly manifest: string; readonly sizeBytes: number }
  | { readonly kind: 'failed'; readonly failure: BuildFailure }
  /** Cancelled, or an error that the operator must mend. */
  | { readonly kind: 'aborted'; readonly reason: unknown }

/** Learns what builds do. Must not throw; must return at once. */
export interface BuildObserver {
  observe(buildId: string, event: BuildEvent): void
}
