/** A package as somebody who looks for one sees it. */
export interface ListedPackage {
  /** As a registry name spells it: lower case, an alias where the attribute path cannot be spelled. */
  readonly name: string
  /** As Nix spells it, levels joined by dots. */
  readonly attributePath: string
  readonly version?: string
  /** One line. */
  readonly description?: string
}

export type SearchOutcome =
  | {
      readonly kind: 'found'
      /** Best first. */
      readonly packages: readonly ListedPackage[]
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
