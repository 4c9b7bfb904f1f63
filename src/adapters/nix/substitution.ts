import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { SubstitutionReport } from '#core/nix/substitution-report.ts'
import type { RealiseOutcome, RealiseProgress, StoreLease } from '#engine/ports/package-builder.ts'
import { queryMadeOutputs } from './made-outputs.ts'
import type { Nix } from './nix.ts'
import { cacheError, commandFailure } from './operating-failure.ts'
import { RealisationLog } from './realisation-log.ts'
import {
  deadlineFailure,
  findForeignOutput,
  rootedIn,
  stdoutLimitBytes,
  throwOperatingFailure,
  type RealisationOptions,
  type RealisationTools,
} from './realisation.ts'

/** One line of a terminal; the number of the others is said as well. */
const namedPaths = 10

/** Hundreds of small files from a cache far away, each of which may time out. */
const queryTimeoutMs = 5 * 60_000

/** Nix remembers for an hour what a cache lacks; who fills it must not have to wait for that. */
const settings = new Map([['narinfo-cache-negative-ttl', '0']])

/**
 * Downloads the wanted outputs and makes them garbage collector roots in the lease; never builds.
 * Nix is given the outputs, not the derivations that make them: with those it would build the small
 * ones that are marked as local even without any job, and not look for those in caches.
 */
export async function substitutePackages(
  { nix, store }: RealisationTools,
  options: RealisationOptions,
  packages: readonly FoundPackage[],
  lease: StoreLease,
  observe: (progress: RealiseProgress) => void,
  signal: AbortSignal,
): Promise<RealiseOutcome> {
  if (packages.length === 0) return { kind: 'realised' }
  const made = await queryMadeOutputs(nix, store, packages, signal)
  const foreign = findForeignOutput(packages, new Set([...made.values()].flatMap((it) => [...it])))
  if (foreign) return foreign
  const paths = [...new Set(packages.flatMap(({ outputs }) => outputs.map(({ path }) => path)))]
  // First only asks: nothing is downloaded for an image that then lacks one package.
  const missing = await queryMissing(nix, paths, signal)
  if (missing.length > 0) return notSubstitutable(missing)
  const report = new SubstitutionReport()
  const log = new RealisationLog(observe, (text) => report.accept(text))
  observe({ kind: 'begun', derivations: 0 })
  const end = await nix.call(
    {
      command: 'nix-store',
      args: ['--realise', ...paths, ...rootedIn(lease)],
      timeoutMs: options.realisationTimeoutMs,
      stdoutLimitBytes,
      settings,
      onStderrLine: (line) => log.accept(line),
    },
    signal,
  )
  if (end.kind === 'succeeded') return { kind: 'realised' }
  throwOperatingFailure(log)
  if (end.kind === 'timed-out') return deadlineFailure(packages, options)
  if (report.cacheFailure === undefined && report.missing.length > 0) {
    return notSubstitutable(report.missing)
  }
  const message = log.errors[0] ?? `nix-store --realise ended with ${end.status}`
  throw cacheError(report.cacheFailure ?? { kind: 'unreachable', message })
}

/** The part of the closure that is neither in the store nor in a cache. Throws when a cache cannot say. */
async function queryMissing(
  nix: Nix,
  paths: readonly StorePath[],
  signal: AbortSignal,
): Promise<readonly StorePath[]> {
  const report = new SubstitutionReport()
  const end = await nix.call(
    {
      command: 'nix-store',
      args: ['--realise', '--dry-run', ...paths],
      timeoutMs: queryTimeoutMs,
      stdoutLimitBytes,
      settings,
      onStderrLine: (line) => report.accept(line),
    },
    signal,
  )
  const isKnown = end.kind === 'succeeded' && report.missing.length === 0
  if (!isKnown && report.cacheFailure) throw cacheError(report.cacheFailure)
  if (end.kind !== 'succeeded') throw commandFailure('nix-store', end)
  return report.missing
}

function notSubstitutable(missing: readonly StorePath[]): RealiseOutcome {
  return {
    kind: 'not-substitutable',
    missing: missing.slice(0, namedPaths).map(storePathName),
    total: missing.length,
  }
}
