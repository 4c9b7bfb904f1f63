import { foldAttributeName, formatAttributePath } from '#core/nix/attribute-path.ts'
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
 * What the deny list is compared with: however a request spells a package, these stay the same. What
 * lies in a package, such as its source, is denied with it. `name` is the derivation's, with version.
 */
export function namesOfPackage(attributePath: readonly string[], name: string): readonly string[] {
  // Nix takes the first dash before something that is no letter as the end of the name (parseDrvName).
  const paths = attributePath.map((_, index) => attributePath.slice(0, index + 1))
  return [...paths.map(formatAttributePath), name, name.replace(/-[^a-zA-Z].*$/, '')]
}

/**
 * Whether a package's name matches a pattern, without regard to what registry names cannot spell. `*`
 * is any text, dots included: `python3packages.*`, `*-unwrapped`.
 */
export function matchesNamePattern(pattern: string, name: string): boolean {
  return matchesPattern(foldAttributeName(pattern), foldAttributeName(name))
}
