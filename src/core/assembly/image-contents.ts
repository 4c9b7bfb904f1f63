import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import type { Digest } from '#core/oci/digest.ts'
import { imageDocument, type ImageDocument } from './image-documents.ts'

/** What is in an image, noted when it is made: nobody has to ask Nix or to read layers for it later. */
export interface ImageContents {
  /** Sorted by path. */
  readonly closure: readonly NotedPath[]
  /** From the bottom; the last one is the root file system, which holds no store paths. */
  readonly layers: readonly NotedLayer[]
}

export interface NotedPath {
  /** With its hash, without the store directory. */
  readonly path: string
  readonly narSizeBytes: number
  /** Places in the closure. */
  readonly references: readonly number[]
  /** Whether it is there by its name, and not only because others need it. */
  readonly asked?: true
}

export interface NotedLayer {
  readonly digest: Digest
  /** Places in the closure. */
  readonly paths: readonly number[]
}

/** A packed layer with the store paths in it. */
export interface FilledLayer {
  readonly digest: Digest
  readonly storePaths: readonly StorePath[]
}

export const contentsMediaType = 'application/vnd.nixery.image-contents.v1+json'

/**
 * Equal images of equal names give equal contents.
 *
 * @param named outputs of the packages in the image's name
 */
export function describeContents(
  { nodes }: ClosureGraph,
  named: ReadonlySet<StorePath>,
  layers: readonly FilledLayer[],
): ImageContents {
  const places = new Map(nodes.map(({ path }, place) => [path, place]))
  // Neither a layer nor a reference leaves the closure.
  const placesOf = (paths: readonly StorePath[]) => paths.flatMap((path) => places.get(path) ?? [])
  return {
    closure: nodes.map(({ path, narSizeBytes, references }) => ({
      path: storePathBaseName(path),
      narSizeBytes,
      references: placesOf(references),
      ...(named.has(path) && { asked: true }),
    })),
    layers: layers.map(({ digest, storePaths }) => ({ digest, paths: placesOf(storePaths) })),
  }
}

/** The contents as they are stored. */
export function contentsDocument(contents: ImageContents): ImageDocument {
  return imageDocument(contentsMediaType, contents)
}
