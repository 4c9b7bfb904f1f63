/**
 * Builds as the API tells of them (`/api/v1`): JSON, shared by the service, its web page and its
 * command line. Times are milliseconds since 1970, sizes bytes.
 */

export interface PlannedLayer {
  /** Names of its store paths, without hash; none for the root file system, which is the last layer. */
  readonly storePaths: readonly string[]
  /** NAR sizes of the store paths together. */
  readonly narSizeBytes: number
}

/** One fact of progress. Layers count from the bottom, in the order of the plan. */
export type ProgressEvent =
  /** It is its turn: its packages are being looked up. */
  | { readonly kind: 'started' }
  | { readonly kind: 'evaluated'; readonly derivations: number }
  | { readonly kind: 'builder-started'; readonly name: string }
  | { readonly kind: 'builder-finished'; readonly name: string }
  /** A line that a builder printed. Not everybody is shown them. */
  | { readonly kind: 'log'; readonly name: string; readonly line: string }
  | { readonly kind: 'download-started'; readonly name: string }
  | { readonly kind: 'download-finished'; readonly name: string }
  | ({ readonly kind: 'totals' } & RealiseTotals)
  | { readonly kind: 'planned'; readonly layers: readonly PlannedLayer[] }
  | { readonly kind: 'layer-progress'; readonly layer: number; readonly archivedBytes: number }
  | {
      readonly kind: 'layer-packed' | 'layer-reused'
      readonly layer: number
      readonly digest: string
      readonly sizeBytes: number
    }
  | { readonly kind: 'finished'; readonly manifest: string; readonly sizeBytes: number }
  /** `message` is the line that a client of the registry reads, without what a builder printed. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Cancelled, or ended by something that the operator must mend. */
  | { readonly kind: 'aborted'; readonly message: string }

/** What the realisation of packages has done and expects to do; both may grow. */
export interface RealiseTotals {
  readonly buildsDone: number
  readonly buildsExpected: number
  readonly downloadedBytes: number
  readonly downloadExpectedBytes: number
}

/** A fact with its place in the build, from 1, and its time. */
export interface RecordedEvent {
  readonly id: number
  readonly atMs: number
  readonly event: ProgressEvent
}

export interface LayerProgress extends PlannedLayer {
  readonly state: 'waiting' | 'packing' | 'packed' | 'reused'
  /** Of its archive, which is a little larger than the store paths. */
  readonly archivedBytes: number
  readonly digest?: string
  /** Compressed. */
  readonly sizeBytes?: number
}

export type BuildStatus = 'queued' | 'running' | 'finished' | 'failed' | 'aborted'

/** What a running build is at. */
export type BuildStep = 'evaluating' | 'realising' | 'packing'

/** What a build is for. */
export interface BuildSummary {
  /** 12 hex digits; the same in log, error messages and pages. */
  readonly id: string
  /** Repository name that pulls the image: with its platform where other names have another. */
  readonly name: string
  /** Under which it was first asked for. Others join a build by any tag that stands for the same revision. */
  readonly tag: string
  /** `linux/amd64` */
  readonly platform: string
  /** Configured name of the package source; empty for the usual one. */
  readonly source: string
  readonly revision: string
  readonly status: BuildStatus
  readonly queuedAtMs: number
  readonly endedAtMs?: number
  /** Of a failed or aborted build: one line. */
  readonly message?: string
  /** Of a finished build: the digest of its manifest. */
  readonly manifest?: string
  /** Of a finished build: config and layers together. */
  readonly sizeBytes?: number
}

/** All that is known of a build at one moment; `applyEvent` makes the next one. */
export interface BuildProgress extends BuildSummary {
  /** The last event that is in it; 0 for none. */
  readonly lastEvent: number
  readonly startedAtMs?: number
  readonly step?: BuildStep
  readonly derivations?: number
  readonly totals?: RealiseTotals
  /** Names of what is being built now. */
  readonly builders: readonly string[]
  /** Names of what is being downloaded now. */
  readonly downloads: readonly string[]
  /** Empty until the layers are planned. */
  readonly layers: readonly LayerProgress[]
}

/** Pure: the same events give the same progress, in the service, the page and the command line. */
export function applyEvent(
  progress: BuildProgress,
  { id, atMs, event }: RecordedEvent,
): BuildProgress {
  return { ...progress, ...changes(progress, event, atMs), lastEvent: id }
}

function changes(
  progress: BuildProgress,
  event: ProgressEvent,
  atMs: number,
): Partial<BuildProgress> {
  const { builders, downloads, layers } = progress
  switch (event.kind) {
    case 'started':
      return { status: 'running', step: 'evaluating', startedAtMs: atMs }
    case 'evaluated':
      return { step: 'realising', derivations: event.derivations }
    case 'builder-started':
      return { builders: [...builders, event.name] }
    case 'builder-finished':
      return { builders: without(builders, event.name) }
    case 'download-started':
      return { downloads: [...downloads, event.name] }
    case 'download-finished':
      return { downloads: without(downloads, event.name) }
    case 'log':
      return {}
    case 'totals': {
      const { kind: _, ...totals } = event
      return { totals }
    }
    case 'planned':
      return { step: 'packing', builders: [], downloads: [], layers: event.layers.map(waiting) }
    case 'layer-progress':
      return {
        layers: layers.with(event.layer, {
          ...layers[event.layer]!,
          state: 'packing',
          archivedBytes: event.archivedBytes,
        }),
      }
    case 'layer-packed':
    case 'layer-reused':
      return {
        layers: layers.with(event.layer, {
          ...layers[event.layer]!,
          state: event.kind === 'layer-packed' ? 'packed' : 'reused',
          digest: event.digest,
          sizeBytes: event.sizeBytes,
        }),
      }
    case 'finished':
      return {
        status: 'finished',
        ...ended(atMs),
        manifest: event.manifest,
        sizeBytes: event.sizeBytes,
      }
    case 'failed':
    case 'aborted':
      return { status: event.kind, ...ended(atMs), message: event.message }
  }
}

/** What was being made when a build was cancelled or failed is made no more. */
function ended(atMs: number): Partial<BuildProgress> {
  return { endedAtMs: atMs, builders: [], downloads: [] }
}

/** One of several that are called the same. */
function without(names: readonly string[], name: string): readonly string[] {
  const index = names.indexOf(name)
  return index === -1 ? names : names.toSpliced(index, 1)
}

function waiting(layer: PlannedLayer): LayerProgress {
  return { ...layer, state: 'waiting', archivedBytes: 0 }
}

export function summaryOf(progress: BuildProgress): BuildSummary {
  const { id, name, tag, platform, source, revision, status, queuedAtMs } = progress
  const { endedAtMs, message, manifest, sizeBytes } = progress
  return {
    id,
    name,
    tag,
    platform,
    source,
    revision,
    status,
    queuedAtMs,
    ...(endedAtMs !== undefined && { endedAtMs }),
    ...(message !== undefined && { message }),
    ...(manifest !== undefined && { manifest }),
    ...(sizeBytes !== undefined && { sizeBytes }),
  }
}

/** Whether nothing more will happen. */
export function isOver({ status }: BuildSummary): boolean {
  return status !== 'queued' && status !== 'running'
}
