import type { StorePath } from './store-path.ts'

/** One installable output of an evaluated package: `out`, `bin`, `man` and so on. */
export interface PackageOutput {
  readonly name: string
  readonly path: StorePath
}

/** A package that evaluation turned into a derivation. */
export interface FoundPackage {
  readonly kind: 'found'
  /** What was asked for, as the request spells it. */
  readonly package: string
  /** The attribute names it resolved to, outermost first: `['python3Packages', 'numpy']`. */
  readonly attributePath: readonly string[]
  readonly derivation: StorePath
  /** The outputs to install (`meta.outputsToInstall`, else the default one). */
  readonly outputs: readonly PackageOutput[]
}

/**
 * Why evaluation gave no derivation for a package. `message` is one line of at most 500 characters,
 * written by the package set or by Nix.
 */
export type PackageFailure =
  | { readonly kind: 'not-found'; readonly package: string; readonly nearNames: readonly string[] }
  | {
      readonly kind: 'ambiguous'
      readonly package: string
      /** The attributes that all match, sorted. */
      readonly candidates: readonly string[]
    }
  | {
      readonly kind: 'not-a-derivation'
      readonly package: string
      /** What it is, in the words of `builtins.typeOf`: `set`, `lambda`, `string`. */
      readonly valueType: string
    }
  | {
      readonly kind:
        | 'unfree'
        | 'broken'
        | 'insecure'
        | 'unsupported-system'
        | 'evaluation-error'
        /** The package set as a whole; the message names both versions. */
        | 'nix-too-old'
        | 'evaluation-timed-out'
      readonly package: string
      readonly message: string
      /** What was being evaluated, the innermost first; for the log, not for who asked. */
      readonly trace?: readonly string[]
    }

export type PackageOutcome = FoundPackage | PackageFailure
