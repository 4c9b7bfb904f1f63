import type { StoreEntry } from './store-entry.ts'

// The image root links to what packages provide, as nixpkgs' buildEnv does it:
//
//    bash/bin/bash                     bin/bash        -> /nix/store/…-bash/bin/bash
//    bash/share/man/man1/bash.1        bin/git         -> /nix/store/…-git/bin/git
//    git/bin/git                       share/git-core  -> /nix/store/…-git/share/git-core
//    git/share/git-core/…              share/man/man1/bash.1 -> …
//    git/share/man/man1/git.1          share/man/man1/git.1  -> …
//
// A directory of one package is one link; a directory of several is a directory with the names of
// all. The package that comes first decides what a name is: its file hides what others have there,
// its directory is merged with the directories of others and hides their files.

/** A directory of a package that has a part in a directory of the image root. */
export interface Provider {
  /** Absolute and without links. */
  readonly directory: string
  /** The provider of the directory above, by which this one was found. */
  readonly above?: Provider
}

export interface Listing {
  readonly provider: Provider
  readonly entries: readonly StoreEntry[]
}

/** What a name in a directory of the image root becomes. */
export type MergedName =
  /** A link into the store. */
  | { readonly kind: 'link'; readonly target: string }
  /** A real directory with what these provide; the first has priority. */
  | { readonly kind: 'directory'; readonly providers: readonly Provider[] }
  /** A link to some place in the image that is not in the store; it may not exist. */
  | { readonly kind: 'outside'; readonly target: string }

/** Merges the same directory of several packages, first package first. `path` is that in the image. */
export function mergeListings(
  path: string,
  listings: readonly Listing[],
): ReadonlyMap<string, MergedName> {
  const candidates = listings.flatMap(({ provider, entries }) =>
    entries
      .filter((entry) => entry.kind !== 'dangling' && isWanted(path, entry))
      .map((entry) => ({ entry, provider })),
  )
  const byName = Map.groupBy(candidates, ({ entry }) => entry.name)
  return new Map(
    byName.entries().map(([name, group]) => {
      const childPath = path === '' ? name : `${path}/${name}`
      return [name, mergeName(childPath, group)]
    }),
  )
}

interface Candidate {
  readonly entry: StoreEntry
  readonly provider: Provider
}

function mergeName(path: string, candidates: readonly Candidate[]): MergedName {
  // What is in the store is certain to be there, so it comes before links that lead out of it.
  const first = candidates.find(({ entry }) => entry.kind !== 'outside')
  if (first === undefined) return { kind: 'outside', target: candidates[0]!.entry.target! }
  const link = { kind: 'link', target: `${first.provider.directory}/${first.entry.name}` } as const
  if (first.entry.kind !== 'directory' || isLoop(enter(first))) return link

  const providers = candidates
    .filter(({ entry }) => entry.kind === 'directory')
    .map(enter)
    .filter((provider) => !isLoop(provider))
  return providers.length > 1 || isAlwaysDirectory(path) ? { kind: 'directory', providers } : link
}

function enter({ entry, provider }: Candidate): Provider {
  const directory = entry.target ?? `${provider.directory}/${entry.name}`
  return { directory, above: provider }
}

/** A directory that links lead back to would unfold for ever. */
function isLoop({ directory, above }: Provider): boolean {
  for (let outer = above; outer !== undefined; outer = outer.above) {
    if (outer.directory === directory) return true
  }
  return false
}

// The runtime mounts over proc, sys and dev; tmp is the skeleton's, nix holds the store itself, and
// nix-support speaks to Nix, not to programs.
const unwantedTopNames = new Set(['dev', 'nix', 'nix-support', 'proc', 'sys', 'tmp'])

/** Of the top level only directories: files there are notes of the package, such as a licence. */
function isWanted(path: string, { name, kind }: StoreEntry): boolean {
  return path !== '' || (kind === 'directory' && !unwantedTopNames.has(name))
}

/**
 * Services and people write to etc and var, so every directory in them is real. So are bin, lib and
 * so on, for images that are built FROM this one, and the same names in usr.
 */
function isAlwaysDirectory(path: string): boolean {
  return /^(?:[^/]+|usr\/[^/]+|(?:etc|var)\/.*)$/s.test(path)
}
