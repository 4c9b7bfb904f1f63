import {
  applyEvent,
  isOver,
  type BuildProgress,
  type ProgressEvent,
  type RecordedEvent,
} from '#core/api/build-progress.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { formatPlatform } from '#core/nix/system.ts'
import { describeFailure } from './describe-failure.ts'
import { describeFault } from './operating-error.ts'
import type { BuildEvent, BuildObserver, BuildSubject } from './ports/build-observer.ts'
import type { RealiseProgress } from './ports/package-builder.ts'

/** What a build has told, for those who ask. */
export interface BuildRecord {
  readonly progress: BuildProgress
  /** The events after one, in order; `undefined` when some of them are no longer kept. */
  after(event: number): readonly RecordedEvent[] | undefined
  /** The last lines that builders printed, oldest first. */
  readonly log: BuildLog
  /** Calls back for every event from now on, until the signal aborts or the build has ended. */
  follow(listener: (recorded: RecordedEvent) => void, signal: AbortSignal): void
}

export interface BuildLog {
  readonly lines: readonly LogLine[]
  /** How many lines came before those. */
  readonly droppedLines: number
}

export interface LogLine {
  /** Of the derivation. */
  readonly name: string
  readonly line: string
}

/** Remembers builds, those that run and the last ones that ended. In memory: a restart forgets them. */
export interface BuildJournal extends BuildObserver {
  find(buildId: string): BuildRecord | undefined
  /** The newest first. */
  list(): readonly BuildProgress[]
}

export interface JournalBounds {
  /** Ended builds; those that run are bounded by the queue. */
  readonly endedBuilds: number
  readonly eventsPerBuild: number
  readonly logLinesPerBuild: number
}

/** About 40 MB when every build is as long as it may be; most have a few hundred events. */
export const usualBounds: JournalBounds = {
  endedBuilds: 200,
  eventsPerBuild: 1000,
  logLinesPerBuild: 2000,
}

// Terminals and pages cut longer lines anyhow; a builder may print megabytes without a line end.
const longestLine = 2000

export function createBuildJournal(nowMs: () => number, bounds = usualBounds): BuildJournal {
  const records = new Map<string, RunningRecord>()

  function dropOldest(): void {
    const ended = records.entries().filter(([, { progress }]) => isOver(progress))
    const extra = [...ended].slice(0, -bounds.endedBuilds)
    for (const [id] of extra) records.delete(id)
  }

  return {
    observe(buildId, event) {
      if (event.kind === 'queued') {
        records.set(buildId, new RunningRecord(begin(buildId, event, nowMs()), bounds))
        return
      }
      const record = records.get(buildId)
      const told = tell(event)
      if (record === undefined || told === undefined) return
      record.add(told, nowMs())
      if (isOver(record.progress)) dropOldest()
    },
    find: (buildId) => records.get(buildId),
    list: () => [...records.values().map(({ progress }) => progress)].toReversed(),
  }
}

class RunningRecord implements BuildRecord {
  progress: BuildProgress
  readonly #bounds: JournalBounds
  #events: RecordedEvent[] = []
  #lines: LogLine[] = []
  #droppedLines = 0
  readonly #listeners = new Set<(recorded: RecordedEvent) => void>()

  constructor(progress: BuildProgress, bounds: JournalBounds) {
    this.progress = progress
    this.#bounds = bounds
  }

  get log(): BuildLog {
    return { lines: this.#lines, droppedLines: this.#droppedLines }
  }

  after(event: number): readonly RecordedEvent[] | undefined {
    const wanted = this.progress.lastEvent - event
    return wanted < 0 || wanted > this.#events.length
      ? undefined
      : this.#events.slice(this.#events.length - wanted)
  }

  follow(listener: (recorded: RecordedEvent) => void, signal: AbortSignal): void {
    if (signal.aborted || isOver(this.progress)) return
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  add(event: ProgressEvent, atMs: number): void {
    const recorded = { id: this.progress.lastEvent + 1, atMs, event }
    this.progress = applyEvent(this.progress, recorded)
    this.#events.push(recorded)
    // Cut rarely: cutting at every event would copy all of them each time.
    if (this.#events.length > 2 * this.#bounds.eventsPerBuild)
      this.#events = this.#events.slice(-this.#bounds.eventsPerBuild)
    if (event.kind === 'log') this.#keepLine(event)
    for (const listener of this.#listeners) listener(recorded)
    if (isOver(this.progress)) this.#listeners.clear()
  }

  #keepLine({ name, line }: LogLine): void {
    this.#lines.push({ name, line })
    const extra = this.#lines.length - this.#bounds.logLinesPerBuild
    if (extra < this.#bounds.logLinesPerBuild) return
    this.#lines = this.#lines.slice(extra)
    this.#droppedLines += extra
  }
}

function begin(id: string, subject: BuildSubject, nowMs: number): BuildProgress {
  const { name, request, source, revision } = subject
  return {
    id,
    name,
    platform: formatPlatform(request.platform),
    source,
    revision,
    status: 'queued',
    queuedAtMs: nowMs,
    lastEvent: 0,
    builders: [],
    downloads: [],
    layers: [],
  }
}

/** What of an event goes to people; `undefined` for what tells them nothing. */
function tell(event: Exclude<BuildEvent, { kind: 'queued' }>): ProgressEvent | undefined {
  switch (event.kind) {
    case 'started':
      return { kind: 'started' }
    case 'realising':
      return tellRealising(event.progress)
    case 'planned':
      return {
        kind: 'planned',
        layers: event.layers.map(({ storePaths, narSizeBytes }) => ({
          storePaths: storePaths.map(storePathName),
          narSizeBytes,
        })),
      }
    case 'layer-packed':
    case 'layer-reused': {
      const { kind, layer, digest, sizeBytes } = event
      return { kind, layer, digest, sizeBytes }
    }
    case 'failed':
      return { kind: 'failed', message: describeFailure(event.failure) }
    case 'aborted':
      return { kind: 'aborted', message: describeReason(event.reason) }
    default:
      return event
  }
}

function tellRealising(progress: RealiseProgress): ProgressEvent | undefined {
  switch (progress.kind) {
    case 'begun':
      return undefined
    case 'build-started':
      return { kind: 'builder-started', name: progress.name }
    case 'build-finished':
      return { kind: 'builder-finished', name: progress.name }
    case 'build-log':
      return {
        kind: 'log',
        name: derivationName(progress.derivation),
        line: progress.line.slice(0, longestLine),
      }
    case 'substitute-started':
      return { kind: 'download-started', name: pathName(progress.path) }
    case 'substitute-finished':
      return { kind: 'download-finished', name: pathName(progress.path) }
    case 'totals':
      return progress
  }
}

function derivationName(derivation: string): string {
  return pathName(derivation).replace(/\.drv$/, '')
}

function pathName(path: string): string {
  return storePathName(path as StorePath)
}

function describeReason(reason: unknown): string {
  return reason instanceof Error && ['AbortError', 'GivenUp'].includes(reason.name)
    ? reason.message
    : describeFault(reason)
}
