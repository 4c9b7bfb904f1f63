import type { RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { CollectionEvent } from '#engine/upkeep/collect-garbage.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { CollectedStore, StoreCollectionOptions } from '#engine/ports/store-collector.ts'
import type { CollectionOutcome } from '#engine/upkeep/schedule-collections.ts'
import { formatByteSize } from './byte-size.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { describeCollected, describeCollectedStore } from './describe-collected.ts'
import { gcSyntax, parseGcArguments, type GcArguments, type GivenLimits } from './gc-arguments.ts'
import { reportProgress, type ProgressReport } from './progress-report.ts'
import type { Terminal } from './run-popularity.ts'

/** What the command needs of the rest of the product. */
export interface GcTools {
  /** Of the configuration; a command line may set others. */
  limits(): GivenLimits
  /** Opens the configured storage, collects its garbage and closes it. */
  collect(
    policy: RetentionPolicy,
    options: { readonly dryRun: boolean; readonly observe: (event: CollectionEvent) => void },
    signal: AbortSignal,
  ): Promise<CollectionOutcome>
  /** Which storage that is. */
  describeStorage(): string
  collectStore(options: StoreCollectionOptions, signal: AbortSignal): Promise<CollectedStore>
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

/**
 * `nixery gc`; gives the exit code: 0, 1 when another collector is at work, 2 for a wrong command
 * line. Throws what keeps it from its work.
 */
export async function runGc(
  args: readonly string[],
  tools: GcTools,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<0 | 1 | 2> {
  const { stdout, stderr } = terminal
  const parsed = parseGcArguments(args)
  switch (parsed.kind) {
    case 'help':
      stdout.write(formatHelp(gcSyntax))
      return 0
    case 'wrong':
      stderr.write(formatSlip(gcSyntax, parsed.message))
      return 2
    case 'gc':
      return collect(parsed, tools, terminal, signal)
  }
}

const noLimits =
  'no limit is set, so only what no image needs goes; --unused, --older-than and --max-size, or NIXERY_GC_UNUSED_DAYS, NIXERY_GC_AGE_DAYS and NIXERY_GC_MAX_GIB, say which images go too\n'

async function collect(
  { limits, graceMs, dryRun, json }: GcArguments & { readonly kind: 'gc' },
  tools: GcTools,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
): Promise<0 | 1> {
  const { nixStoreBytes, ...images } = { ...tools.limits(), ...limits }
  if (Object.keys(images).length === 0) stderr.write(noLimits)
  const storage = await withStages(stderr, tools.clock, (observe) =>
    tools.collect({ ...images, graceMs }, { dryRun, observe }, signal),
  )
  if (!json)
    for (const line of describeCollected(storage, dryRun, tools.nowMs(), tools.describeStorage()))
      stdout.write(`${line}\n`)
  let nixStore: CollectedStore | undefined
  if (nixStoreBytes !== undefined) {
    using progress = reportProgress(stderr, tools.clock, {
      label: 'Nix store',
      formatAmount: formatByteSize,
    })
    const observe = (done: number, total: number) => progress.update(done, total)
    nixStore = await tools.collectStore({ mostBytes: nixStoreBytes, dryRun, observe }, signal)
  }
  if (nixStore !== undefined && !json) stdout.write(`${describeCollectedStore(nixStore, dryRun)}\n`)
  if (json) stdout.write(`${JSON.stringify({ dryRun, storage, nixStore })}\n`)
  return storage.kind === 'busy' ? 1 : 0
}

/** A line of progress for each stage. */
async function withStages<T>(
  stream: Terminal['stderr'],
  clock: Clock,
  work: (observe: (event: CollectionEvent) => void) => Promise<T>,
): Promise<T> {
  let stage: { readonly kind: string; readonly progress: ProgressReport } | undefined
  try {
    return await work(({ kind, done, total }) => {
      if (stage?.kind !== kind) {
        stage?.progress[Symbol.dispose]()
        stage = { kind, progress: reportProgress(stream, clock, { label: kind }) }
      }
      stage.progress.update(done, total)
    })
  } finally {
    stage?.progress[Symbol.dispose]()
  }
}
