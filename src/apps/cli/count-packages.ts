import { PopularityCount, referencedNames } from '#core/layers/popularity-count.ts'
import type { FoundPackage, PackageFailure } from '#core/nix/package-outcome.ts'
import type { System } from '#core/nix/system.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import { evaluateAgain } from '#engine/evaluate-again.ts'
import type {
  DerivationsGone,
  PackageBuilder,
  PackagesUnrealisable,
  RealiseOutcome,
} from '#engine/ports/package-builder.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'

/** Which packages to count. */
export interface CountedSet {
  readonly set: PackageSet
  readonly policy: PackagePolicy
  readonly system: System
  /** As image names spell them, or as the set does. */
  readonly names: readonly string[]
}

export interface PackagesCount {
  readonly ratings: ReadonlyMap<string, number>
  readonly packages: number
  readonly paths: number
  readonly skipped: readonly SkippedPackage[]
}

/** A package that could not be had. */
export interface SkippedPackage {
  readonly package: string
  readonly why: PackageFailure | PackagesUnrealisable
}

/** What has become of some packages. */
interface Batch {
  readonly kind: 'batch'
  readonly realised: readonly FoundPackage[]
  readonly skipped: readonly SkippedPackage[]
}

// One package that ends evaluation costs each of its batch a process of its own, and one that fails
// to build costs each a call of Nix.
const batchSize = 50

/**
 * Realises packages and counts the references among all store paths of their closures together.
 * Packages that cannot be had are skipped. Throws what the operator must mend.
 */
export async function countPackages(
  nix: PackageBuilder,
  { names, ...counted }: CountedSet,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<PackagesCount> {
  await using leases = new AsyncDisposableStack()
  const realised: FoundPackage[] = []
  const skipped: SkippedPackage[] = []

  async function realise(packages: readonly FoundPackage[]): Promise<RealiseOutcome> {
    const lease = await nix.lease()
    leases.defer(() => lease.release())
    return nix.realise(packages, lease, () => {}, signal)
  }

  /** All at once where they can be had, else each by itself. */
  async function realiseAll(packages: readonly FoundPackage[]): Promise<Batch | DerivationsGone> {
    const all = await realise(packages)
    if (all.kind === 'derivations-gone') return all
    if (all.kind === 'realised') return { kind: 'batch', realised: packages, skipped: [] }
    const had: FoundPackage[] = []
    const failed: SkippedPackage[] = []
    for (const found of packages) {
      const outcome = await realise([found])
      if (outcome.kind === 'derivations-gone') return outcome
      if (outcome.kind === 'realised') had.push(found)
      else failed.push({ package: found.package, why: outcome })
    }
    return { kind: 'batch', realised: had, skipped: failed }
  }

  async function countBatch(packages: readonly string[]): Promise<Batch | DerivationsGone> {
    const outcomes = await nix.evaluate({ ...counted, packages, optionalPackages: [] }, signal)
    const batch = await realiseAll(outcomes.filter((outcome) => outcome.kind === 'found'))
    if (batch.kind === 'derivations-gone') return batch
    const failures = outcomes.filter((outcome) => outcome.kind !== 'found')
    const unknown = failures.map((why) => ({ package: why.package, why }))
    return { ...batch, skipped: [...unknown, ...batch.skipped] }
  }

  onProgress(0, names.length)
  for (let start = 0; start < names.length; start += batchSize) {
    const packages = names.slice(start, start + batchSize)
    const batch = await evaluateAgain(() => countBatch(packages))
    realised.push(...batch.realised)
    skipped.push(...batch.skipped)
    onProgress(start + packages.length, names.length)
  }

  const outputs = realised.flatMap((found) => found.outputs.map(({ path }) => path))
  const { nodes } = await nix.closure(outputs, signal)
  const count = new PopularityCount()
  for (const { path, references } of nodes) count.add(referencedNames(path, references))
  return {
    ratings: count.ratings(),
    packages: realised.length,
    paths: nodes.length,
    skipped,
  }
}
