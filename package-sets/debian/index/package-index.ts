import type { Archive, BinaryPackage } from './binary-package.ts'
import { findCycles } from './dependency-cycles.ts'
import { findFoundation, type Foundation } from './foundation.ts'
import { resolveDependencies } from './resolve-dependencies.ts'

/** What the Nix expressions know of one package. */
export interface IndexEntry {
  readonly version: string
  readonly archive: Archive
  readonly file: string
  readonly sha256: string
  readonly description: string
  /** Sorted; only for packages outside cycles. */
  readonly dependencies: readonly string[]
}

/** Packages that depend on each other and are therefore one derivation. */
export interface PackageGroup {
  readonly members: readonly string[]
  /** What any member depends on outside the group; sorted. */
  readonly dependencies: readonly string[]
}

/** All packages of one architecture, ready to be written. */
export interface PackageIndex {
  /** By package name, sorted. */
  readonly entries: ReadonlyMap<string, IndexEntry>
  /** By the group's name, which is the member that most packages depend on. */
  readonly groups: ReadonlyMap<string, PackageGroup>
  /** The group's name by member. */
  readonly groupOf: ReadonlyMap<string, string>
  readonly foundation: Foundation
  readonly unsatisfiedCount: number
}

export function makePackageIndex(packages: ReadonlyMap<string, BinaryPackage>): PackageIndex {
  const { dependencies, unsatisfiedCount } = resolveDependencies(packages)
  const groups = new Map<string, PackageGroup>()
  const groupOf = new Map<string, string>()
  const dependents = countDependents(dependencies)
  for (const members of findCycles(dependencies)) {
    const name = mostWanted(members, dependents)
    for (const member of members) groupOf.set(member, name)
    groups.set(name, { members, dependencies: dependenciesOfGroup(members, dependencies) })
  }
  const entries = new Map<string, IndexEntry>()
  for (const [name, names] of dependencies) {
    const { version, archive, file, sha256, description } = packages.get(name)!
    entries.set(name, { version, archive, file, sha256, description, dependencies: names })
  }
  return { entries, groups, groupOf, foundation: findFoundation(dependencies), unsatisfiedCount }
}

function dependenciesOfGroup(
  members: readonly string[],
  dependencies: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const all = new Set(members.flatMap((member) => dependencies.get(member) ?? []))
  for (const member of members) all.delete(member)
  return [...all].sort()
}

function countDependents(
  dependencies: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of [...dependencies.values()].flat())
    counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** Of members with equally many dependents the first by name. */
function mostWanted(members: readonly string[], dependents: ReadonlyMap<string, number>): string {
  const count = (member: string): number => dependents.get(member) ?? 0
  return members.reduce((best, member) => (count(member) > count(best) ? member : best))
}
