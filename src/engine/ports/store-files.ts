import type { StorePath } from '#core/nix/store-path.ts'
import type { StoreEntry } from '#core/root-layer/store-entry.ts'

export type { StoreEntry }

/** Read access to realised store paths, for the root layer. */
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
