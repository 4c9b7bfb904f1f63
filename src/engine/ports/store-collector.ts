/** What a collection of the package store of this machine has done, or with a dry run would do. */
export interface CollectedStore {
  /** Of all packages in the store when the collection began. */
  readonly sizeBytes: number
  readonly removedPaths: number
  readonly removedBytes: number
  /** Of everything that nothing holds, when it was counted: by a dry run only. */
  readonly deadBytes?: number
}

export interface StoreCollectionOptions {
  /** Nothing is removed from a store that is not larger. */
  readonly mostBytes: number
  readonly dryRun: boolean
  /** Bytes that are removed, out of those that are too many. */
  readonly observe: (doneBytes: number, totalBytes: number) => void
}
