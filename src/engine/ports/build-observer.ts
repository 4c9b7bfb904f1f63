import type { StorePath } from '#core/nix/store-path.ts'
import type { PlatformRequest } from '#core/request/image-request.ts'
import type { RealiseProgress } from './package-builder.ts'
import type { BuildFailure } from '../build-outcome.ts'

/** What a build is for. */
export interface BuildSubject {
  /** What people call the image. */
  readonly name: string
  /** Under which it was first asked for; others may lead to the same build. */
  readonly tag: string
  readonly request: PlatformRequest
  /** Name of the package source; '' for the one that needs none. */
  readonly source: string
  readonly revision: string
}

/** The content of a layer to be: store paths, or the root file system, which has none. */
export interface PlannedLayer {
  readonly storePaths: readonly StorePath[]
  /** NAR sizes of the store paths together. */
  readonly narSizeBytes: number
}

/** One fact of a build's progress. Times are the observer's business. Layers count in the order of the plan. */
export type BuildEvent =
  /** There is room for it, and it waits for its turn. */
  | ({ readonly kind: 'queued' } & BuildSubject)
  | ({ readonly kind: 'started' } & BuildSubject)
  | { readonly kind: 'evaluated'; readonly derivations: number }
  | { readonly kind: 'realising'; readonly progress: RealiseProgress }
  /** The layers from the bottom to the top; the last one is the root file system. */
  | { readonly kind: 'planned'; readonly layers: readonly PlannedLayer[] }
  /** So many bytes of the layer's archive are done; what is stored already has no such event. */
  | { readonly kind: 'layer-progress'; readonly layer: number; readonly archivedBytes: number }
  | {
      readonly kind: 'layer-packed'
      readonly layer: number
      readonly digest: string
      readonly sizeBytes: number
      readonly archiveSizeBytes: number
    }
  | {
      readonly kind: 'layer-reused'
      readonly layer: number
      readonly digest: string
      readonly sizeBytes: number
    }
  | { readonly kind: 'finished'; readonly manifest: string; readonly sizeBytes: number }
  | { readonly kind: 'failed'; readonly failure: BuildFailure }
  /** Cancelled, or an error that the operator must mend. */
  | { readonly kind: 'aborted'; readonly reason: unknown }

/** Learns what builds do. Must not throw; must return at once. */
export interface BuildObserver {
  observe(buildId: string, event: BuildEvent): void
}
