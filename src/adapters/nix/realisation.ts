import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

import type { ProcessEnd } from '#adapters/process/run-process.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { SubstitutionReport } from '#core/nix/substitution-report.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { RealiseOutcome, RealiseProgress, StoreLease } from '#engine/ports/package-builder.ts'
import type { Nix } from './nix.ts'
import { cacheError, findFullDisk, findOperatingFailure } from './operating-failure.ts'
import type { StoreQuestions } from './store-questions.ts'
import { RealisationLog, type RealiseFailure } from './realisation-log.ts'

export interface RealisationOptions {
  /** For each builder; Nix ends it then (`--timeout`). */
  readonly builderTimeoutS: number
  /** For everything that one realisation builds and downloads. */
  readonly realisationTimeoutMs: number
  /** Builders at the same time. */
  readonly maxJobs: number
}

export interface RealisationTools {
  readonly nix: Nix
  readonly store: StoreQuestions
}

/** One line per root; a realisation has at most some hundred. */
export const stdoutLimitBytes = 1024 * 1024

/** A builder in an endless loop could fill the disk with its log before its time is over. */
const buildLogLimitBytes = 16 * 1024 * 1024

/** Builds or downloads the wanted outputs and makes them garbage collector roots in the lease. */
export async function realisePackages(
  { nix }: RealisationTools,
  options: RealisationOptions,
  packages: readonly FoundPackage[],
  lease: StoreLease,
  observe: (progress: RealiseProgress) => void,
  signal: AbortSignal,
): Promise<RealiseOutcome> {
  if (packages.length === 0) return { kind: 'realised' }
  const report = new SubstitutionReport()
  const log = new RealisationLog(observe, (text) => report.accept(text))
  const derivations = new Set(packages.map(({ derivation }) => derivation)).size
  observe({ kind: 'begun', derivations })
  const end = await nix.call(
    {
      command: 'nix-store',
      args: [
        '--realise',
        ...installables(packages),
        ...rootedIn(lease),
        '--max-jobs',
        String(options.maxJobs),
        '--timeout',
        String(options.builderTimeoutS),
      ],
      timeoutMs: options.realisationTimeoutMs,
      stdoutLimitBytes,
      settings: new Map([['max-build-log-size', String(buildLogLimitBytes)]]),
      onStderrLine: (line) => log.accept(line),
    },
    signal,
  )
  if (end.kind === 'succeeded') {
    return findForeignOutput(packages, await readRoots(lease)) ?? { kind: 'realised' }
  }
  throwOperatingFailure(log)
  const failure = log.failure()
  if (failure === undefined) return unnamedFailure(packages, options, log, report, end)
  const fullDisk = findFullDisk(failure.name, failure.logTail)
  if (fullDisk) throw fullDisk
  return failure
}

/** What every realisation asks for: roots in the lease, and a log that `RealisationLog` reads. */
export function rootedIn(lease: StoreLease): readonly string[] {
  const root = join(lease.directory, 'root')
  return ['--add-root', root, '--indirect', '--log-format', 'internal-json']
}

/** Throws when Nix's own errors tell of something that the operator must mend. */
export function throwOperatingFailure(log: RealisationLog): void {
  const operating = findOperatingFailure(log.errors.map((error) => `error: ${error}`).join('\n'))
  if (operating) throw operating
}

/** `…-openssl-3.0.drv!bin`: each wanted output once. */
function installables(packages: readonly FoundPackage[]): string[] {
  const names = packages.flatMap(({ derivation, outputs }) =>
    outputs.map(({ name }) => `${derivation}!${name}`),
  )
  return [...new Set(names)]
}

/** What the derivations really made, which is what the lease holds after they were realised. */
async function readRoots(lease: StoreLease): Promise<ReadonlySet<string>> {
  const names = await readdir(lease.directory)
  return new Set(await Promise.all(names.map((name) => readlink(join(lease.directory, name)))))
}

/**
 * Evaluation of a stranger's set may name any store path as an output. Only what its derivations
 * make may reach an image.
 */
export function findForeignOutput(
  packages: readonly FoundPackage[],
  made: ReadonlySet<string>,
): RealiseFailure | undefined {
  for (const { derivation, outputs } of packages) {
    const foreign = outputs.find(({ path }) => !made.has(path))
    if (foreign) {
      const message = `the package set names ${foreign.path}, which this derivation does not make`
      return { ...failureOf(derivation, message), kind: 'build-failed' }
    }
  }
  return undefined
}

/** A failure for which Nix names no builder: the deadline, or an error about the derivation itself. */
function unnamedFailure(
  packages: readonly FoundPackage[],
  options: RealisationOptions,
  log: RealisationLog,
  { cacheFailure }: SubstitutionReport,
  end: ProcessEnd,
): RealiseOutcome {
  if (end.kind === 'timed-out') return deadlineFailure(packages, options)
  if (cacheFailure?.kind === 'unreachable') throw cacheError(cacheFailure)
  // Nix ends with the error that it ends for; before it may stand what it got over.
  const message = log.errors.at(-1)
  if (message === undefined || end.kind === 'printed-too-much') {
    throw new OperatingError('NIX_FAILED', `nix-store --realise ended with ${end.status}`)
  }
  return { ...failureOf(packages[0]!.derivation, message), kind: 'build-failed' }
}

/** The deadline of one whole realisation is over. */
export function deadlineFailure(
  packages: readonly FoundPackage[],
  { realisationTimeoutMs }: RealisationOptions,
): RealiseFailure {
  const minutes = Math.round(realisationTimeoutMs / 60_000)
  const message = `building and downloading took longer than ${minutes} minutes`
  return { ...failureOf(packages[0]!.derivation, message), kind: 'build-timed-out' }
}

function failureOf(derivation: StorePath, message: string) {
  const name = storePathName(derivation).replace(/\.drv$/, '')
  return { name, message: formatOneLine(message), logTail: [] }
}
