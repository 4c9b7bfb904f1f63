import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { RemoteSourceOptions } from '#adapters/package-source/git-source.ts'
import { SourceTrees } from '#adapters/package-source/source-trees.ts'
import type {
  FetchOutcome,
  PackageSet,
  PinnedSource,
  PinOutcome,
} from '#engine/ports/package-source.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { plainGitEnvironment } from './git-repository.ts'

export interface SourceSite {
  readonly directory: string
  /** What a source is made with; a second call is a restart of the service. */
  start(): Promise<RemoteSourceOptions>
  /** Moves the time of every source of the site. */
  advance(ms: number): void
  /** Outages and recoveries, as they were told. */
  readonly log: readonly string[]
}

/** A state directory and a clock for sources under test. */
export async function makeSourceSite(context: TestContext): Promise<SourceSite> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-source-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const clock = createManualClock()
  const environment = plainGitEnvironment()
  const log: string[] = []
  let nowMs = Date.now()
  return {
    directory,
    log,
    advance(ms) {
      nowMs += ms
      clock.advance(ms)
    },
    async start() {
      const trees = await SourceTrees.open({
        directory: join(directory, 'state', 'sources'),
        environment,
      })
      context.after(() => trees.close())
      return {
        name: 'ours',
        stateDirectory: join(directory, 'state'),
        trees,
        anyCommit: false,
        pinTtlMs: 60_000,
        clock,
        now: () => nowMs,
        environment,
        onOutage: (origin) => log.push(`lost ${origin}`),
        onRecovery: (origin) => log.push(`back ${origin}`),
      }
    },
  }
}

export function expectPinned(outcome: PinOutcome): PinnedSource {
  if (outcome.kind !== 'pinned') throw new Error(`${outcome.kind}: ${outcome.message}`)
  return outcome.pinned
}

export function expectSet(outcome: FetchOutcome): PackageSet {
  if (outcome.kind !== 'fetched') throw new Error(`${outcome.kind}: ${outcome.message}`)
  return outcome.set
}
