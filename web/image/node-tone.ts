/** What colours in the graph stand for. */
export type Colouring = 'size' | 'layer'

// From how many bytes on, unpacked, and what the legend says of it.
const steps: readonly (readonly [least: number, words: string])[] = [
  [0, 'below 100 kB'],
  [100e3, 'from 100 kB'],
  [1e6, 'from 1 MB'],
  [10e6, 'from 10 MB'],
  [50e6, 'from 50 MB'],
]

/** How strongly a store path is coloured by its size, from 0 to 4. */
export function sizeTone(narSizeBytes: number): number {
  return steps.findLastIndex(([least]) => narSizeBytes >= least)
}

/** The words of the legend, by tone. */
export const sizeWords: readonly string[] = steps.map(([, words]) => words)

/** More colours cannot be told apart; the words in the node say the number. */
const layerTones = 8

export function layerTone(layer: number): number {
  return layer % layerTones
}
