import { createHash } from 'node:crypto'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import { PopularityCount, referencedNames } from '#core/layers/popularity-count.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { Package } from './read-closures.ts'

/** A package set at one moment of its history. */
export interface PackageReleases {
  /** The closure of some packages, by their positions. */
  closure(packages: readonly number[]): ClosureGraph
  /** What `nixery popularity` would count. */
  popularity(): Popularity
  /** New versions: of these packages the contents change, of all that refer to them the store paths. */
  update(packages: readonly number[], random: () => number): void
}

/** A new version is up to this part bigger or smaller than the one before. */
const sizeChange = 0.05

export function createReleases(packages: readonly Package[]): PackageReleases {
  const releases = packages.map(() => 0)
  const sizes = packages.map(({ narSizeBytes }) => narSizeBytes)
  let nodes = makeNodes()

  function makeNodes(): readonly ClosureNode[] {
    const made: ClosureNode[] = []
    for (const [index, { name, references }] of packages.entries()) {
      const release = releases[index]!
      const referenced = references.map((reference) => made[reference]!.path).toSorted()
      const text = JSON.stringify([index, release, referenced])
      made.push({
        path: makePath(text, release === 0 ? name : `${name}+u${release}`),
        narSizeBytes: sizes[index]!,
        references: referenced,
      })
    }
    return made
  }

  return {
    closure(roots) {
      const members = new Set<number>(roots)
      // Positions are appended while the set is walked.
      for (const member of members) for (const it of packages[member]!.references) members.add(it)
      return {
        roots: roots.map((root) => nodes[root]!.path).toSorted(),
        nodes: [...members].map((member) => nodes[member]!).toSorted(comparePaths),
      }
    },
    popularity() {
      const count = new PopularityCount()
      for (const { path, references } of nodes) count.add(referencedNames(path, references))
      return { kind: 'snapshot', version: 'counted', ratings: count.ratings() }
    },
    update(changed, random) {
      for (const index of changed) {
        releases[index]! += 1
        sizes[index] = Math.round(sizes[index]! * (1 + sizeChange * (2 * random() - 1)))
      }
      nodes = makeNodes()
    },
  }
}

function comparePaths(one: ClosureNode, other: ClosureNode): number {
  return one.path < other.path ? -1 : 1
}

/** Hexadecimal digits are all in Nix's base 32, but for `e`. */
function makePath(text: string, name: string): StorePath {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32).replaceAll('e', 'z')
  return parseStorePath(`/nix/store/${hash}-${name}`)!
}
