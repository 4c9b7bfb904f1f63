import type { FoundPackage, PackageFailure } from '#core/nix/package-outcome.ts'
import { storePathName } from '#core/nix/store-path.ts'
import { systemOf } from '#core/nix/system.ts'
import { isDenied, namesOfPackage, type PackagePolicy } from '#core/request/package-policy.ts'
import type { PackageDenied } from './build-outcome.ts'
import type { BuildTarget } from './image-builder.ts'
import type { PackageBuilder } from './ports/package-builder.ts'
import { findSource, type PackageSources, type SourceFailure } from './ports/package-source.ts'

export interface EvaluationTools {
  readonly sources: PackageSources
  readonly nix: Pick<PackageBuilder, 'evaluate'>
  readonly policy: PackagePolicy
}

/** Every image gets them where the package set has them: CA certificates and /etc/protocols, /etc/services. */
const basePackages: readonly string[] = ['cacert', 'iana-etc']

export type Evaluated =
  | { readonly kind: 'found'; readonly found: readonly FoundPackage[] }
  | { readonly kind: 'packages'; readonly failures: readonly PackageFailure[] }
  | SourceFailure
  | PackageDenied

/** The packages of an image as its source has them now, or why there is no such image. */
export async function evaluatePackages(
  tools: EvaluationTools,
  target: Pick<BuildTarget, 'request' | 'source'>,
  signal: AbortSignal,
): Promise<Evaluated> {
  const { request } = target
  const source = findSource(tools.sources, target.source.source)
  const fetched = await source.fetch(target.source, signal)
  if (fetched.kind !== 'fetched') return fetched
  const optional = basePackages.filter((name) => !request.packages.includes(name))
  const outcomes = await tools.nix.evaluate(
    {
      set: fetched.set,
      policy: tools.policy,
      system: systemOf(request.platform),
      packages: request.packages,
      optionalPackages: optional,
    },
    signal,
  )
  const failures = outcomes.filter((outcome) => outcome.kind !== 'found')
  if (failures.length > 0) return { kind: 'packages', failures }
  const found = outcomes.filter((outcome) => outcome.kind === 'found')
  const refused = found.filter((it) => isDenied(tools.policy, namesOf(it)))
  // What nobody asked for is left out without a word.
  const denied = refused.find((it) => !optional.includes(it.package))
  return denied === undefined
    ? { kind: 'found', found: found.filter((it) => !refused.includes(it)) }
    : { kind: 'denied', package: denied.package, attributePath: denied.attributePath }
}

function namesOf({ attributePath, derivation }: FoundPackage): readonly string[] {
  return namesOfPackage(attributePath, storePathName(derivation).replace(/\.drv$/, ''))
}
