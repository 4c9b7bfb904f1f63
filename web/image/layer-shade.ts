/** How strongly a layer is coloured by its popularity: 0 for one of its own, up to 4 for one of very many images. */
export type LayerShade = 0 | 1 | 2 | 3 | 4

/** The words of the legend, by shade. */
export const shadeWords: readonly string[] = [
  'in no other',
  'in 1 other',
  'in 2 to 5 others',
  'in 6 to 20 others',
  'in more than 20 others',
]

export function layerShade(sharedCount: number): LayerShade {
  if (sharedCount === 0) return 0
  if (sharedCount === 1) return 1
  if (sharedCount <= 5) return 2
  return sharedCount <= 20 ? 3 : 4
}
