import type { BuildProgress, LayerProgress, RecordedEvent } from '#core/api/build-progress.ts'
import { formatByteSize } from './byte-size.ts'
import { counted } from './counted.ts'
import { formatAge } from './duration.ts'
import { printable } from './printable.ts'

/** Colours, or the text as it is. */
export type Paint = (colour: 'green' | 'red' | 'cyan' | 'dim', text: string) => string

export interface LineRoom {
  readonly columns: number
  /** At least one line is written. */
  readonly rows: number
  readonly nowMs: number
  readonly paint: Paint
}

/** What a build is doing, as lines that fit: a head, what is under way, and a bar per layer. */
export function formatBuild(progress: BuildProgress, room: LineRoom): readonly string[] {
  const lines = [formatHead(progress, room), ...formatWork(progress, room)]
  const layers = chooseLayers(progress.layers, room.rows - lines.length - 1)
  const hidden = progress.layers.length - layers.length
  return [
    ...lines,
    ...layers.map(({ layer, index }) => formatLayer(layer, index, progress.layers.length, room)),
    ...(hidden > 0 && layers.length > 0 ? [paintCut(room, 'dim', `  and ${hidden} more`)] : []),
  ].slice(0, Math.max(1, room.rows))
}

// Less of a name says nothing.
const leastTitle = 12

function formatHead(progress: BuildProgress, room: LineRoom): string {
  const { name, platform, id, queuedAtMs, startedAtMs, endedAtMs } = progress
  const ms = (endedAtMs ?? room.nowMs) - (startedAtMs ?? queuedAtMs)
  const facts = `${describeState(progress)}  ${formatAge(ms)}  build ${id}`
  const widest = Math.max(leastTitle, room.columns - facts.length - 2)
  const title = cut(`${printable(name)} ${printable(platform)}`, widest)
  const line = cut(`${title}  ${facts}`, room.columns)
  const colour =
    progress.status === 'finished' ? 'green' : progress.endedAtMs === undefined ? 'cyan' : 'red'
  return `${room.paint(colour, line.slice(0, title.length))}${line.slice(title.length)}`
}

function describeState({ status, step, layers }: BuildProgress): string {
  if (status !== 'running') return status
  if (step !== 'packing') return step ?? 'running'
  const done = layers.filter(isDone).length
  return `packing ${done}/${layers.length} layers`
}

function isDone({ state }: LayerProgress): boolean {
  return state === 'packed' || state === 'reused'
}

// More names than these do not fit beside each other anyhow.
const shownNames = 4

function formatWork(progress: BuildProgress, room: LineRoom): readonly string[] {
  if (progress.status !== 'running') return []
  const { totals, builders, downloads } = progress
  const lines: string[] = []
  if (totals !== undefined && totals.downloadExpectedBytes > 0 && progress.step === 'realising')
    lines.push(
      formatBar(
        'download',
        totals.downloadedBytes / totals.downloadExpectedBytes,
        `${formatByteSize(totals.downloadedBytes)} of ${formatByteSize(totals.downloadExpectedBytes)}`,
        room,
      ),
    )
  if (builders.length > 0) lines.push(cut(`  building ${listNames(builders)}`, room.columns))
  if (downloads.length > 0) lines.push(cut(`  downloading ${listNames(downloads)}`, room.columns))
  return lines
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).map(printable).join(', ')
  return names.length > shownNames ? `${shown} and ${names.length - shownNames} more` : shown
}

interface ShownLayer {
  readonly layer: LayerProgress
  readonly index: number
}

const order = { packing: 0, waiting: 1, packed: 2, reused: 2 } as const

/** As many as there is room for: those under way first, then the next ones, then the last that are done. */
function chooseLayers(layers: readonly LayerProgress[], room: number): readonly ShownLayer[] {
  const all = layers.map((layer, index) => ({ layer, index }))
  if (all.length <= room) return all
  return all
    .toSorted((a, b) => order[a.layer.state] - order[b.layer.state])
    .slice(0, Math.max(0, room))
    .toSorted((a, b) => a.index - b.index)
}

function formatLayer(layer: LayerProgress, index: number, of: number, room: LineRoom): string {
  const label = `${String(index + 1).padStart(String(of).length)} ${layerName(layer)}`
  switch (layer.state) {
    case 'waiting':
      return paintCut(room, 'dim', `  ${label}`)
    case 'packing': {
      const share = layer.narSizeBytes === 0 ? 0 : layer.archivedBytes / layer.narSizeBytes
      // An archive has headers, too, which no store knows of.
      const archived = Math.min(layer.archivedBytes, layer.narSizeBytes)
      const amount = `${formatByteSize(archived)} of ${formatByteSize(layer.narSizeBytes)}`
      return formatBar(label, share, amount, room)
    }
    case 'packed':
      return formatBar(label, 1, `${formatByteSize(layer.sizeBytes ?? 0)} packed`, room)
    case 'reused':
      return formatBar(label, 1, `${formatByteSize(layer.sizeBytes ?? 0)} stored already`, room)
  }
}

/** Names of its store paths; the layer without any is the last one. */
function layerName({ storePaths }: LayerProgress): string {
  const [first, ...others] = storePaths
  if (first === undefined) return 'root file system'
  return others.length === 0 ? printable(first) : `${printable(first)} and ${others.length} more`
}

// With less room the numbers say more.
const leastBar = 8
// `1023.9 KiB stored already`; bars of one length are compared at a glance.
const amountColumns = 25
const mostBar = 30

/** `  label    [#####     ]  amount`, as far as there is room. */
function formatBar(label: string, share: number, amount: string, room: LineRoom): string {
  const labelWidth = Math.min(36, Math.max(12, Math.floor(room.columns / 3)))
  const name = cut(label, labelWidth).padEnd(labelWidth)
  const width = Math.min(mostBar, room.columns - labelWidth - amountColumns - 8)
  if (width < leastBar) return cut(`  ${name}  ${amount}`, room.columns)
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  const bar = `${'#'.repeat(filled)}${' '.repeat(width - filled)}`
  const painted = share >= 1 ? room.paint('green', bar) : bar
  return `  ${name}  [${painted}]  ${amount}`
}

function paintCut(room: LineRoom, colour: Parameters<Paint>[0], text: string): string {
  return room.paint(colour, cut(text, room.columns))
}

/** Characters beyond ASCII may take two columns each, or none: a line of them could wrap. */
export function cut(text: string, columns: number): string {
  const narrow = text.replaceAll(/[^\u0020-\u007e]/gu, '?')
  return narrow.length <= columns ? narrow : `${narrow.slice(0, Math.max(0, columns - 1))}~`
}

/** A fact as a line of a log; `undefined` for what moves too fast to be read line by line. */
export function describeEvent(
  progress: BuildProgress,
  { event }: RecordedEvent,
): string | undefined {
  const of = progress.layers.length
  switch (event.kind) {
    case 'started':
      return `build ${printable(progress.id)} of revision ${printable(progress.revision)} started`
    case 'evaluated':
      return `evaluated: ${counted(event.derivations, 'derivation')}`
    case 'builder-started':
      return `building ${printable(event.name)}`
    case 'download-started':
      return `downloading ${printable(event.name)}`
    case 'planned':
      return `planned: ${counted(event.layers.length, 'layer')}, ${formatByteSize(event.layers.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0))} unpacked`
    case 'layer-packed':
    case 'layer-reused': {
      const name = layerName(progress.layers[event.layer]!)
      const what = event.kind === 'layer-packed' ? 'packed' : 'stored already'
      return `layer ${event.layer + 1} of ${of} ${what}: ${name} (${formatByteSize(event.sizeBytes)})`
    }
    case 'finished':
      return `finished: ${describeFinished(progress)}`
    case 'aborted':
      return `aborted: ${printable(event.message)}`
    // The failure itself is said once, at the end.
    case 'failed':
    case 'builder-finished':
    case 'download-finished':
    case 'totals':
    case 'layer-progress':
    case 'log':
      return undefined
  }
}

/** `31 layers, 12 packed and 19 stored already, 120.0 MiB in 14s` */
function describeFinished({ layers, sizeBytes, startedAtMs, endedAtMs }: BuildProgress): string {
  const packed = layers.filter(({ state }) => state === 'packed').length
  const took = (endedAtMs ?? 0) - (startedAtMs ?? endedAtMs ?? 0)
  return `${counted(layers.length, 'layer')}, ${packed} packed and ${layers.length - packed} stored already, ${formatByteSize(sizeBytes ?? 0)} in ${formatAge(took)}`
}

export function describeEnd(progress: BuildProgress): string {
  const title = `${printable(progress.name)} ${printable(progress.platform)}`
  const facts =
    progress.status === 'finished' ? describeFinished(progress) : `build ${printable(progress.id)}`
  return `${title}: ${progress.status}, ${facts}`
}
