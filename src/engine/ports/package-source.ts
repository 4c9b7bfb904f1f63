/**
 * A state of a package source that no longer moves. Plain data: nothing of it has to be on this
 * machine before a build fetches it, so a cached image asks nothing of the origin.
 */
export interface PinnedSource {
  /** Name of the configured source; what its packages are called in requests goes without it. */
  readonly source: string
  /** What the set is, for people: a commit, `debian-…`. */
  readonly revision: string
  /** Part of cache keys: equal identities give equal packages, whatever the origin is called. */
  readonly identity: string
  /** False for a set that can change under its identity: its images are never answered from cache. */
  readonly fixed: boolean
  /** Where the revision comes from, without credentials; for labels and pages. */
  readonly origin?: string
  /** Milliseconds since 1970 when the origin last said so; only when it cannot be asked now. */
  readonly staleSinceMs?: number
}

/** What a tag of a package source leads to. */
export type PinOutcome =
  | { readonly kind: 'pinned'; readonly pinned: PinnedSource }
  /** `message` says which tags make sense. */
  | { readonly kind: 'unknown-tag'; readonly message: string }
  /** The tag may exist, and this registry does not serve it. */
  | { readonly kind: 'forbidden-tag'; readonly message: string }

/** A flake whose locked inputs are on this machine: what each node of its lock file is. */
export interface FlakeInputs {
  /** By the lock file's own node names; the root is the flake itself. */
  readonly nodes: Readonly<Record<string, FlakeInput>>
}

/** One fetched input of a flake. */
export interface FlakeInput {
  readonly path: string
  /** What Nix passes on to the flake beside the path: `rev`, `lastModified`, `narHash`. */
  readonly info: Readonly<Record<string, string | number>>
}

/** A package set as the package builder finds it on this machine. */
export interface PackageSet {
  readonly identity: string
  readonly fixed: boolean
  /** File or directory that Nix imports; a function of (some of) `{ system, config, overlays }` or an attribute set. */
  readonly entry: string
  /** Every path that evaluation may read beside the entry. */
  readonly readablePaths: readonly string[]
  /** For an entry that is a directory with a `flake.nix`. */
  readonly flake?: FlakeInputs
}

/** Why a pinned source gives no package set, for reasons that lie in the source or in the tag. */
export interface SourceFailure {
  readonly kind: 'unusable-source'
  readonly revision: string
  /** One line: what is wrong, and with which part. */
  readonly message: string
}

export type FetchOutcome = { readonly kind: 'fetched'; readonly set: PackageSet } | SourceFailure

/**
 * Where package sets come from. An origin that cannot be reached, and whose answer nobody
 * remembers, is an `OperatingError` `SOURCE_UNAVAILABLE`.
 */
export interface PackageSource {
  /** Turns a tag into a set that no longer moves. */
  pin(tag: string, signal: AbortSignal): Promise<PinOutcome>
  /** What `pin` would say, where that is known without asking anybody. */
  readonly recall?: (tag: string) => PinOutcome | undefined
  /** Brings a pinned set to this machine, or finds it there. It stays for as long as a build may take. */
  fetch(pinned: PinnedSource, signal: AbortSignal): Promise<FetchOutcome>
}

/** The configured sources by name; the one that names without a source mean is called ''. */
export type PackageSources = ReadonlyMap<string, PackageSource>

/** The source of a pin or a request; its name comes from this very map. */
export function findSource(sources: PackageSources, name: string): PackageSource {
  const found = sources.get(name)
  if (found === undefined) throw new Error(`no package source is called ${name}`)
  return found
}
