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
import { isGivenUp } from './share-builds.ts'

/** What a build has told, for those who ask. */
export interface BuildRecord {
  readonly progress: BuildProgress
  /** The events after one, in order; `undefined` when some of them are no longer kept. */
  after(event: number): readonly RecordedEvent[] | undefined
  /** The last lines that builders printed, oldest first. */
  readonly log: BuildLog
  /**
   * Calls back for every event from now on, until the signal aborts or the build has ended. The
   * listener must not throw: the build would fail of it.
   */
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
  /** Ended builds; those that run are bounded by the queue, and keep up to twice as much each. */
  readonly endedBuilds: number
  readonly eventsPerBuild: number
  readonly logLinesPerBuild: number
  /** Of the log lines, and as many of those among the events. */
  readonly logCharactersPerBuild: number
}

/**
 * Measured: 80 MB when every build has as many lines as are kept, and 120 MB more when every closure
 * has 10,000 store paths, whose names are kept. Most builds have a few hundred of all.
 */
export const usualBounds: JournalBounds = {
  endedBuilds: 200,
  eventsPerBuild: 1000,
  logLinesPerBuild: 2000,
  logCharactersPerBuild: 200_000,
}

// Terminals and pages cut longer lines anyhow; a builder may print megabytes without a line end.
const longestLine = 2000

export function createBuildJournal(nowMs: () => number, bounds = usualBounds): BuildJournal {
  const records = new Map<string, RunningRecord>()

  function dropOldest(): void {
    const ended = [...records.values()].map(({ progress }) => progress).filter(isOver)
    // Not in the order in which they began: one that took days would be forgotten as it ends.
    const byEnd = ended.toSorted((one, other) => one.endedAtMs! - other.endedAtMs!)
    for (const { id } of byEnd.slice(0, -bounds.endedBuilds)) records.delete(id)
  }

  return {
    observe(buildId, event) {
      if (event.kind === 'queued') {
        records.set(buildId, new RunningRecord(begin(buildId, event, nowMs()), bounds))
        return
      }
      const record = records.get(buildId)
      // A cancelled build may still write a chunk, and Nix print a line.
      if (record === undefined || isOver(record.progress)) return
      const told = tell(event)
      if (told === undefined) return
      record.add(told, nowMs())
      if (isOver(record.progress)) dropOldest()
    },
    find: (buildId) => records.get(buildId),
    list: () => [...records.values()].map(({ progress }) => progress).toReversed(),
  }
}

class RunningRecord implements BuildRecord {
  progress: BuildProgress
  readonly #events: Tail<RecordedEvent>
  readonly #lines: Tail<LogLine>
  readonly #listeners = new Set<(recorded: RecordedEvent) => void>()
  readonly #ended = new AbortController()

  constructor(progress: BuildProgress, bounds: JournalBounds) {
    this.progress = progress
    const { eventsPerBuild, logLinesPerBuild, logCharactersPerBuild } = bounds
    this.#events = new Tail(eventsPerBuild, logCharactersPerBuild, ({ event }) =>
      event.kind === 'log' ? event.line.length : 0,
    )
    this.#lines = new Tail(logLinesPerBuild, logCharactersPerBuild, ({ line }) => line.length)
  }

  get log(): BuildLog {
    return { lines: this.#lines.items, droppedLines: this.#lines.droppedCount }
  }

  after(event: number): readonly RecordedEvent[] | undefined {
    const { items, droppedCount } = this.#events
    return event < droppedCount || event > this.progress.lastEvent
      ? undefined
      : items.slice(event - droppedCount)
  }

  follow(listener: (recorded: RecordedEvent) => void, signal: AbortSignal): void {
    if (signal.aborted || isOver(this.progress)) return
    // A function of its own: who follows twice leaves twice.
    const follower = (recorded: RecordedEvent) => listener(recorded)
    this.#listeners.add(follower)
    const leave = () => this.#listeners.delete(follower)
    signal.addEventListener('abort', leave, { once: true, signal: this.#ended.signal })
  }

  add(event: ProgressEvent, atMs: number): void {
    const recorded = { id: this.progress.lastEvent + 1, atMs, event }
    this.progress = applyEvent(this.progress, recorded)
    this.#events.add(recorded)
    if (event.kind === 'log') this.#lines.add({ name: event.name, line: event.line })
    for (const listener of this.#listeners) listener(recorded)
    if (isOver(this.progress)) this.#end()
  }

  #end(): void {
    this.#listeners.clear()
    this.#ended.abort()
    this.#events.cut()
    this.#lines.cut()
  }
}

/** The last items, within a number of them and of their characters. */
class Tail<Item> {
  items: Item[] = []
  droppedCount = 0
  readonly #mostItems: number
  readonly #mostCharacters: number
  readonly #charactersOf: (item: Item) => number
  #characters = 0

  constructor(mostItems: number, mostCharacters: number, charactersOf: (item: Item) => number) {
    this.#mostItems = mostItems
    this.#mostCharacters = mostCharacters
    this.#charactersOf = charactersOf
  }

  /** Cuts rarely: cutting for every item would copy all of them each time. */
  add(item: Item): void {
    this.items.push(item)
    this.#characters += this.#charactersOf(item)
    const isLong = this.items.length > 2 * this.#mostItems
    if (isLong || this.#characters > 2 * this.#mostCharacters) this.cut()
  }

  cut(): void {
    let first = this.items.length
    let characters = 0
    while (first > Math.max(0, this.items.length - this.#mostItems)) {
      const more = this.#charactersOf(this.items[first - 1]!)
      if (characters + more > this.#mostCharacters) break
      characters += more
      first -= 1
    }
    this.items = this.items.slice(first)
    this.droppedCount += first
    this.#characters = characters
  }
}

function begin(id: string, subject: BuildSubject, nowMs: number): BuildProgress {
  const { name, tag, request, source, revision } = subject
  return {
    id,
    name,
    tag,
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
          storePaths: storePaths.map(pathName),
          narSizeBytes,
        })),
      }
    case 'layer-packed':
    case 'layer-reused': {
      const { kind, layer, digest, sizeBytes } = event
      return { kind, layer, digest, sizeBytes }
    }
    case 'failed':
      return { kind: 'failed', message: describeFailure(event.failure, 'onlooker') }
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
        line: copyOf(progress.line.slice(0, longestLine)),
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
  return copyOf(storePathName(path as StorePath))
}

/** V8 makes a part of a text point to the whole, which would stay as long as the part. */
function copyOf(text: string): string {
  return Buffer.from(text).toString()
}

function describeReason(reason: unknown): string {
  return isGivenUp(reason) ? reason.message : describeFault(reason)
}
