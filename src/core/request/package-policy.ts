import { foldAttributeName } from '#core/nix/attribute-path.ts'
import { matchesPattern } from './text-pattern.ts'

/** What an operator serves. It decides what images hold, so all of it is part of cache keys. */
export interface PackagePolicy {
  readonly unfree: boolean
  readonly broken: boolean
  /** Names with version, such as `openssl-1.1.1w`, as nixpkgs' `permittedInsecurePackages`. */
  readonly insecure: readonly string[]
  /** Patterns of package names, `*` standing for any text; a package must match one when there are any. */
  readonly allow: readonly string[]
  /** Patterns of what is never served; they win over `allow`. */
  readonly deny: readonly string[]
  /** Beginnings of addresses that a set may download from while it is evaluated. */
  readonly allowedUris: readonly string[]
  /** The NAR sizes of a whole closure together; no bound when `undefined`. */
  readonly maxClosureBytes?: number
}

/** What Nix itself does unless it is told otherwise. */
export const strictPolicy: PackagePolicy = {
  unfree: false,
  broken: false,
  insecure: [],
  allowedUris: [],
  allow: [],
  deny: [],
}

/**
 * The first package of a request that the operator does not serve, as it was spelled. Who serves
 * `shell` serves what it stands for, unless that is denied.
 */
export function findRefused(
  policy: PackagePolicy,
  request: { readonly packages: readonly string[]; readonly askedPackages: readonly string[] },
): string | undefined {
  const allows = (name: string) =>
    policy.allow.length === 0 || policy.allow.some((pattern) => matchesNamePattern(pattern, name))
  return (
    request.askedPackages.find((name) => !allows(name)) ??
    request.packages.find((name) => isDenied(policy, [name]))
  )
}

/** Whether any of the names that one package has is on the deny list. */
export function isDenied(policy: PackagePolicy, names: readonly string[]): boolean {
  return policy.deny.some((pattern) => names.some((name) => matchesNamePattern(pattern, name)))
}

/**
 * Whether a package's name matches a pattern, without regard to what registry names cannot spell. `*`
 * is any text, dots included: `python3packages.*`, `*-unwrapped`.
 */
export function matchesNamePattern(pattern: string, name: string): boolean {
  return matchesPattern(foldAttributeName(pattern), foldAttributeName(name))
}
