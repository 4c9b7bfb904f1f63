/** A stored image as the API shows it. Sizes in bytes. */
export interface ImageView {
  readonly name: string
  readonly tag: string
  /** Of the manifest that is shown. */
  readonly digest: string
  /** `linux/amd64`; of all platforms of the name, the one that is shown. */
  readonly platform: string
  readonly platforms: readonly string[]
  readonly revision: string
  /** Config and layers, compressed. */
  readonly sizeBytes: number
  /** `counting`: what is said of other images is not known yet, ask again in a while. */
  readonly sharing: 'known' | 'counting'
  /** From the bottom; the last one is the root file system. */
  readonly layers: readonly ViewedLayer[]
  /** The closure, sorted; `undefined` where it was not noted: in old images and for enormous closures. */
  readonly closure?: readonly ViewedPath[]
}

export interface ViewedLayer {
  readonly digest: string
  /** Compressed. */
  readonly sizeBytes: number
  /** Places in the closure of the store paths in it. */
  readonly paths: readonly number[]
  /** Names of other stored images that have it, at most 20, and how many there are. */
  readonly sharedWith: readonly string[]
  readonly sharedCount: number
}

export interface ViewedPath {
  /** With its hash, without the store directory. */
  readonly path: string
  readonly narSizeBytes: number
  /** Places in the closure. */
  readonly references: readonly number[]
  /** Whether it is there by its name, and not only because others need it; images made earlier do not say. */
  readonly asked?: true
}

/** What an image would become with more packages. */
export interface AdditionView {
  /** The grown image's name. */
  readonly name: string
  /** `unknown`: a package is not on this machine yet, so its closure is not known before it is built. */
  readonly status: 'known' | 'unknown'
  /**
   * Only when known: store paths that come, the largest first, and how many layers of the grown image
   * are the same and how many are not. The root file system links to all packages and counts as new.
   */
  readonly added?: readonly { readonly path: string; readonly narSizeBytes: number }[]
  readonly keptLayers?: number
  readonly newLayers?: number
}
