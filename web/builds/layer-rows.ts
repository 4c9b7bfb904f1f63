import type { LayerProgress } from '#core/api/build-progress.ts'

/** Layers that are shown by a bar each, and those that share one because they are small. */
export interface LayerRows {
  readonly large: readonly NumberedLayer[]
  readonly small: readonly NumberedLayer[]
}

/** `unpacked`: the build has ended before the layer was done. */
export type ShownState = 'waiting' | 'packing' | 'packed' | 'reused' | 'unpacked'

export interface NumberedLayer extends Omit<LayerProgress, 'state'> {
  readonly state: ShownState
  /** Its place from the bottom of the image, from 0. */
  readonly index: number
}

// As many bars as fit on a screen beside the rest; a few small ones are not worth a heading.
const mostLarge = 12
const fewSmall = 3

/** The largest layers in the order of their sizes, and the rest. The root layer, the last one, is small. */
export function layerRows(layers: readonly LayerProgress[], isEnded: boolean): LayerRows {
  const numbered = layers.map((layer, index): NumberedLayer => {
    const state = isEnded && !isDone(layer) ? 'unpacked' : layer.state
    return { ...layer, state, index }
  })
  const sorted = numbered.toSorted((a, b) => b.narSizeBytes - a.narSizeBytes || a.index - b.index)
  const count = sorted.length <= mostLarge + fewSmall ? sorted.length : mostLarge
  return { large: sorted.slice(0, count), small: sorted.slice(count) }
}

type ShownLayer = Omit<NumberedLayer, 'index'>

export interface LayersDone {
  readonly done: number
  readonly reused: number
  /** Of the store paths; an estimate for those that are being packed. */
  readonly doneBytes: number
  readonly allBytes: number
}

export function sumLayers(layers: readonly ShownLayer[]): LayersDone {
  return {
    done: layers.filter(isDone).length,
    reused: layers.filter(({ state }) => state === 'reused').length,
    doneBytes: sum(layers.map(doneBytesOf)),
    allBytes: sum(layers.map(({ narSizeBytes }) => narSizeBytes)),
  }
}

/** How far a layer is, from 0 to 1. */
export function fractionDone(layer: ShownLayer): number {
  if (isDone(layer)) return 1
  return layer.narSizeBytes === 0 ? 0 : doneBytesOf(layer) / layer.narSizeBytes
}

/** How much of its store paths a layer has: archives are a little larger. */
function doneBytesOf(layer: ShownLayer): number {
  if (layer.state === 'unpacked') return 0
  return isDone(layer) ? layer.narSizeBytes : Math.min(layer.archivedBytes, layer.narSizeBytes)
}

/** What is in a layer, in a few words. */
export function describeLayer({ storePaths }: Pick<LayerProgress, 'storePaths'>): string {
  const [first, ...others] = storePaths
  if (first === undefined) return 'root file system'
  return others.length === 0 ? first : `${first} and ${others.length} more`
}

function isDone({ state }: Pick<ShownLayer, 'state'>): boolean {
  return state === 'packed' || state === 'reused'
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
