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
  /** By the first member's name, sorted. */
  readonly groups: ReadonlyMap<string, PackageGroup>
  /** First member of the group by member. */
  readonly groupOf: ReadonlyMap<string, string>
  readonly foundation: Foundation
  readonly unsatisfiedCount: number
}

export function makePackageIndex(packages: ReadonlyMap<string, BinaryPackage>): PackageIndex {
  const { dependencies, unsatisfiedCount } = resolveDependencies(packages)
  const groups = new Map<string, PackageGroup>()
  const groupOf = new Map<string, string>()
  for (const members of findCycles(dependencies)) {
    const [first] = members as [string, ...string[]]
    for (const member of members) groupOf.set(member, first)
    groups.set(first, { members, dependencies: dependenciesOfGroup(members, dependencies) })
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
