import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'

/**
 * Where the popularity of store paths comes from. Digests must not drift, so it is either the
 * closure itself (how many of its other paths refer to a path) or a snapshot whose version is part
 * of every cache key: store path name, such as `glibc-2.36`, to the number of packages that need it.
 */
export type Popularity =
  | { readonly kind: 'closure' }
  | {
      readonly kind: 'snapshot'
      readonly version: string
      readonly ratings: ReadonlyMap<string, number>
    }

// These are added to every image, so they are shared more than anything that a snapshot can count
// (glibc has about 300,000 references in nixpkgs). The prefixes end where the version starts.
const packagesOfEveryImage = /^(?:nss-cacert|cacert|iana-etc)-\d/
const popularityOfEveryImage = 500_000

/** The popularity of each path of a closure; at least 1. */
export function ratePopularity(
  graph: ClosureGraph,
  popularity: Popularity,
): ReadonlyMap<StorePath, number> {
  const referrers = countReferrers(graph)
  const rate = (path: StorePath) =>
    popularity.kind === 'snapshot'
      ? popularity.ratings.get(storePathName(path))
      : referrers.get(path)
  return new Map(
    graph.nodes.map(({ path }) => [
      path,
      packagesOfEveryImage.test(storePathName(path))
        ? popularityOfEveryImage
        : Math.max(1, rate(path) ?? 1),
    ]),
  )
}

/** How many other paths of a closure refer to a path; those that none refers to are left out. */
export function countReferrers(graph: ClosureGraph): ReadonlyMap<StorePath, number> {
  const referrers = new Map<StorePath, number>()
  for (const { path, references } of graph.nodes) {
    for (const reference of new Set(references)) {
      if (reference !== path) referrers.set(reference, (referrers.get(reference) ?? 0) + 1)
    }
  }
  return referrers
}
