/** A package of a set, as somebody who looks for one sees it. */
export interface ListedPackage {
  /** As a registry name spells it: lower case, an alias where the attribute path cannot be spelled. */
  readonly name: string
  /** As Nix spells it, levels joined by dots. */
  readonly attributePath: string
  readonly version?: string
  /** One line. */
  readonly description?: string
}

/** A package of a source, for all platforms together; what they differ in is that of the first. */
export interface FoundPackage extends ListedPackage {
  /** The platforms that have it, of those that are served: `linux/amd64`. */
  readonly platforms: readonly string[]
}

export type SearchOutcome =
  | {
      readonly kind: 'found'
      /** Best first. */
      readonly packages: readonly FoundPackage[]
      /** Those that may have been meant, nearest first, when few have the words. */
      readonly near: readonly FoundPackage[]
      /** That packages were looked for on: `linux/amd64`. */
      readonly platforms: readonly string[]
      /** Of the source whose packages are listed. */
      readonly revision: string
    }
  /** The source's packages are being listed; ask again in a while. */
  | { readonly kind: 'listing' }
  /** One line: why the source's packages cannot be listed. */
  | { readonly kind: 'unsearchable'; readonly message: string }

/** Searches the packages of configured sources by name, attribute path, version and description. */
export interface PackageSearch {
  /**
   * The packages of a source (its configured name; '' for the one that names without a source mean)
   * that have all the words, at most `most` of them. No words find nothing.
   */
  search(source: string, words: string, most: number, signal: AbortSignal): Promise<SearchOutcome>
}
