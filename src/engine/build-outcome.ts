import type { PackageFailure } from '#core/nix/package-outcome.ts'
import type { TooManyNames } from './make-root-layer.ts'
import type { RealiseOutcome } from './ports/package-builder.ts'
import type { ManifestEntry } from './stored-entries.ts'

/** Why a request gave no image, for reasons that lie in the request or its packages. */
export type BuildFailure =
  | { readonly kind: 'packages'; readonly failures: readonly PackageFailure[] }
  | Exclude<RealiseOutcome, { readonly kind: 'realised' }>
  | TooManyNames
  | { readonly kind: 'deadline-passed'; readonly deadlineMs: number }

export type BuildOutcome =
  | { readonly kind: 'built'; readonly image: ManifestEntry }
  | { readonly kind: 'failed'; readonly buildId: string; readonly failure: BuildFailure }
