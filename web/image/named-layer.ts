import type { ImageView, ViewedLayer } from '#core/api/image-view.ts'
import { pathName } from './closure-walk.ts'

/** A layer with what is needed to show it. */
export interface NamedLayer extends ViewedLayer {
  /** Its place from the bottom of the image, from 0. */
  readonly index: number
  /** What is in it, in a few words. */
  readonly title: string
  /** NAR sizes of its store paths; `undefined` when they are not known. */
  readonly narSizeBytes?: number
}

/** The layers of an image with their names: of the largest store path in each. */
export function nameLayers({ layers, closure }: ImageView): readonly NamedLayer[] {
  return layers.map((layer, index) => {
    const isRoot = index === layers.length - 1
    if (closure === undefined || layer.paths.length === 0)
      return { ...layer, index, title: isRoot ? 'root file system' : `layer ${index + 1}` }
    const paths = layer.paths
      .map((place) => closure[place]!)
      .toSorted((a, b) => b.narSizeBytes - a.narSizeBytes)
    const more = paths.length - 1
    const title = pathName(paths[0]!) + (more > 0 ? ` and ${more} more` : '')
    const narSizeBytes = paths.reduce((sum, path) => sum + path.narSizeBytes, 0)
    return { ...layer, index, title, narSizeBytes }
  })
}
