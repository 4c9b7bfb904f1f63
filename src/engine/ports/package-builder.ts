import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { FoundPackage, PackageOutcome } from '#core/nix/package-outcome.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import type { System } from '#core/nix/system.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import type { PackageSet } from './package-source.ts'

/** What to look up in a package set. */
export interface EvaluateRequest {
  readonly set: PackageSet
  readonly policy: PackagePolicy
  readonly system: System
  /** Packages that must be there, as the request spells them: lower case, dots nest. */
  readonly packages: readonly string[]
  /** Packages that come along where the set has them; whatever else they give is no outcome. */
  readonly optionalPackages: readonly string[]
}

/** A fact of progress while derivations are realised; sizes in bytes. */
export type RealiseProgress =
  | {
      /**
       * Nix begins, asked for so many derivations: those that are not in the store, and none where it
       * is asked for outputs alone.
       */
      readonly kind: 'begun'
      readonly derivations: number
    }
  | { readonly kind: 'build-started'; readonly derivation: string; readonly name: string }
  | { readonly kind: 'build-finished'; readonly derivation: string; readonly name: string }
  | { readonly kind: 'build-log'; readonly derivation: string; readonly line: string }
  | { readonly kind: 'substitute-started'; readonly path: string; readonly from: string }
  | { readonly kind: 'substitute-finished'; readonly path: string }
  | {
      /** Totals over everything that this realisation does; a total may grow while it runs. */
      readonly kind: 'totals'
      readonly buildsDone: number
      readonly buildsExpected: number
      readonly downloadedBytes: number
      readonly downloadExpectedBytes: number
    }

export type RealiseOutcome = { readonly kind: 'realised' } | DerivationsGone | PackagesUnrealisable

/**
 * A garbage collector of the Nix store removed what evaluation had made before it could be realised.
 * Another evaluation makes it again.
 */
export interface DerivationsGone {
  readonly kind: 'derivations-gone'
}

/** Why packages cannot be had, for reasons that lie in them. */
export type PackagesUnrealisable =
  | {
      readonly kind: 'build-failed' | 'build-timed-out' | 'source-unavailable'
      /** Name of the derivation that failed, without hash and `.drv`. */
      readonly name: string
      /** One line that says why, of at most 500 characters: by Nix, or `source-unavailable` by the builder. */
      readonly message: string
      /** The last lines of the failed builder's log. */
      readonly logTail: readonly string[]
    }
  | {
      /** Only where nothing may be built from source. */
      readonly kind: 'not-substitutable'
      /** Names of the first store paths that no binary cache has, without hash. */
      readonly missing: readonly string[]
      /** How many there are. */
      readonly total: number
    }

/**
 * Nix, as the flow needs it. What a package did wrong is an outcome; what the operator must mend
 * (Nix missing, no space, no permission) is thrown as an `OperatingError`. An aborted signal
 * rejects with its reason after every process of the call has ended.
 */
export interface PackageBuilder {
  /** One outcome per requested package, in the order of the request, then the optional ones that were found. */
  evaluate(request: EvaluateRequest, signal: AbortSignal): Promise<readonly PackageOutcome[]>

  /**
   * Makes the wanted outputs of all packages exist in the store. The paths stay alive against
   * Nix's garbage collection until `release` of the given lease.
   */
  realise(
    packages: readonly FoundPackage[],
    lease: StoreLease,
    observe: (progress: RealiseProgress) => void,
    signal: AbortSignal,
  ): Promise<RealiseOutcome>

  /** The closure of paths that exist in the store. */
  closure(paths: readonly StorePath[], signal: AbortSignal): Promise<ClosureGraph>

  /** Starts a lease: what is realised under it is a garbage collector root until it is released. */
  lease(): Promise<StoreLease>
}

/** What the Nix store of this machine has already. */
export interface PresentPackages {
  /**
   * Whether all wanted outputs are in the store; the lease holds those that are. Builds and downloads
   * nothing. Outputs that no derivation of the packages makes count as missing.
   */
  holdPresent(
    packages: readonly FoundPackage[],
    lease: StoreLease,
    signal: AbortSignal,
  ): Promise<boolean>
}

/** Keeps store paths alive while they are packed. */
export interface StoreLease {
  readonly directory: string
  /** Gives the paths back; never throws. */
  release(): Promise<void>
}
