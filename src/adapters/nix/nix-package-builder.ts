import { availableParallelism } from 'node:os'

import type { Clock } from '#engine/ports/clock.ts'
import type { PackageBuilder, PresentPackages } from '#engine/ports/package-builder.ts'
import { readClosure } from './closure.ts'
import { EvaluationCache } from './evaluation-cache.ts'
import { EvaluationFiles } from './evaluation-files.ts'
import { Evaluator } from './evaluator.ts'
import { holdRealised } from './hold-realised.ts'
import { Leases } from './leases.ts'
import { ProvenPackages } from './made-outputs.ts'
import { openNix, type Nix, type NixOptions } from './nix.ts'
import { copyToCache, pushBack } from './push-back.ts'
import { PushQueue, type PushEvent } from './push-queue.ts'
import { realisePackages } from './realisation.ts'
import { substitutePackages } from './substitution.ts'
import { StoreQuestions } from './store-questions.ts'
import { unlessGone } from './unless-gone.ts'
import { WarmEvaluators } from './warm-evaluators.ts'
import { withoutDeadCaches } from './without-dead-caches.ts'

/** Whoever ends the service gives it ten seconds, as docker does; what is not copied is copied another time. */
const closeGraceMs = 5_000

export interface NixPackageBuilderOptions extends NixOptions {
  /** Where leases live; processes may share it. Made when it is not there. */
  readonly leaseDirectory: string
  /** `NIX_TIMEOUT`: seconds that each builder may take. */
  readonly nixTimeoutS?: number
  readonly evaluationTimeoutMs?: number
  readonly evaluationMemoryMiB?: number
  /** Remembers what fixed package sets say of packages. */
  readonly evaluationCache?: {
    readonly clock: Clock
    /** Keeps it over restarts as well; made when it is not there. */
    readonly directory?: string
    /** Hears of files of it that cannot be read or written, which costs only time. */
    readonly report: (error: unknown) => void
  }
  readonly realisationTimeoutMs?: number
  readonly maxJobs?: number
  /** Builds nothing from source: what no binary cache has is not to be had. */
  readonly substituteOnly?: boolean
  /** Copies what was realised to another store in the background. */
  readonly pushBack?: {
    /** `file:///srv/cache?secret-key=…`, `http://…`, `s3://…`, `ssh://…` */
    readonly to: string
    readonly clock: Clock
    readonly report: (event: PushEvent) => void
  }
}

/** A package builder that gives its leases back when the service ends. */
export interface NixPackageBuilder extends PackageBuilder, PresentPackages {
  close(): Promise<void>
}

/** Opens Nix and sweeps left-over leases; throws an `OperatingError` when Nix cannot be used. */
export async function createNixPackageBuilder(
  options: NixPackageBuilderOptions,
): Promise<NixPackageBuilder> {
  const nix = await openNix(options)
  const store = new StoreQuestions(nix)
  const leases = await Leases.open(options.leaseDirectory)
  const evaluation = {
    evaluationTimeoutMs: options.evaluationTimeoutMs ?? 60_000,
    evaluationMemoryMiB: options.evaluationMemoryMiB ?? 4096,
  }
  // They keep a set as it was, so they are for those that are remembered.
  const warm = options.evaluationCache && new WarmEvaluators(nix, leases.scratchDirectory)
  const proven = new ProvenPackages()
  const cache = openCache(options, nix.installation.version, proven)
  const evaluator = new Evaluator({ nix, store, warm, proven }, evaluation, cache)
  const realisation = {
    builderTimeoutS: options.nixTimeoutS ?? 60,
    // An hour: a large image from source on a small machine. Callers cancel what nobody waits for.
    realisationTimeoutMs: options.realisationTimeoutMs ?? 60 * 60_000,
    maxJobs: options.maxJobs ?? availableParallelism(),
  }
  const realise = options.substituteOnly ? substitutePackages : realisePackages
  const builder: PackageBuilder = {
    evaluate: (request, signal) => evaluator.evaluate(request, signal),
    async realise(packages, lease, observe, signal) {
      const rest = await holdRealised(store, proven, packages, lease, signal)
      if (rest.length === 0) return { kind: 'realised' }
      const attempt = (it: Nix) =>
        realise({ nix: it, store }, realisation, rest, lease, observe, signal)
      return unlessGone(nix, store, rest, () => withoutDeadCaches(nix, attempt), signal)
    },
    closure: (paths, signal) => readClosure(nix, store, paths, signal),
    lease: () => leases.lease(),
  }
  const present: PresentPackages = {
    holdPresent: async (packages, lease, signal) =>
      (await holdRealised(store, proven, packages, lease, signal)).length === 0,
  }
  const close = async () => {
    await warm?.close()
    await store.close()
    await leases.close()
  }
  if (options.pushBack === undefined) return { ...builder, ...present, close }
  const { to, ...pushOptions } = options.pushBack
  const queue = new PushQueue({ ...pushOptions, copy: copyToCache(nix, to), closeGraceMs })
  return {
    ...pushBack(builder, queue),
    ...present,
    async close() {
      await queue.close()
      await close()
    },
  }
}

function openCache(
  { evaluationCache }: NixPackageBuilderOptions,
  nixVersion: string,
  proven: ProvenPackages,
): EvaluationCache | undefined {
  if (evaluationCache === undefined) return undefined
  const { clock, directory, report } = evaluationCache
  const files = directory === undefined ? {} : { files: new EvaluationFiles(directory, report) }
  return new EvaluationCache({ clock, nixVersion, proven, ...files })
}
