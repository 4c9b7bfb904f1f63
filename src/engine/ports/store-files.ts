import type { StorePath } from '#core/nix/store-path.ts'
import type { StoreEntry } from '#core/root-layer/store-entry.ts'

export type { StoreEntry }

/**
 * Read access to the realised store paths of a closure, for the root layer. Whatever else this
 * machine has in its store is not in the image: a link there dangles.
 */
export type OpenStoreFiles = (closure: ReadonlySet<StorePath>) => StoreFiles

export interface StoreFiles {
  /**
   * The entries of a directory, sorted by name; the empty list when it is not a directory or does
   * not exist. `directory` is absolute and inside a store path.
   */
  list(directory: string): Promise<readonly StoreEntry[]>

  /**
   * The store paths that a path wants installed with it: its
   * `nix-support/propagated-user-env-packages` (nixpkgs' buildEnv reads the same file).
   */
  propagated(path: StorePath): Promise<readonly StorePath[]>
}
