import type { PackageFailure } from '#core/nix/package-outcome.ts'
import type { TooManyNames } from './make-root-layer.ts'
import type { PackagesUnrealisable } from './ports/package-builder.ts'
import type { SourceFailure } from './ports/package-source.ts'
import type { ManifestEntry } from './stored-entries.ts'

/** A package that a pattern of the operator denies, under whatever name it was asked for. */
export interface PackageDenied {
  readonly kind: 'denied'
  readonly package: string
  readonly attributePath: readonly string[]
}

/** More than the operator lets one image hold; sizes are NAR sizes of the whole closure. */
export interface ClosureTooLarge {
  readonly kind: 'closure-too-large'
  readonly sizeBytes: number
  readonly mostBytes: number
}

/** Why a request gave no image, for reasons that lie in the request or its packages. */
export type BuildFailure =
  | { readonly kind: 'packages'; readonly failures: readonly PackageFailure[] }
  | PackagesUnrealisable
  | TooManyNames
  | SourceFailure
  | PackageDenied
  | ClosureTooLarge
  | { readonly kind: 'deadline-passed'; readonly deadlineMs: number }

export type BuildOutcome =
  | { readonly kind: 'built'; readonly image: ManifestEntry }
  | { readonly kind: 'failed'; readonly buildId: string; readonly failure: BuildFailure }
