import type { StorePath } from '#core/nix/store-path.ts'

/** One name in a directory of a store path. Names are Latin-1 strings: one character, one byte. */
export interface StoreEntry {
  readonly name: string
  /** What the name leads to once symbolic links are followed inside the store. */
  readonly kind: 'directory' | 'file' | 'dangling' | 'outside'
  /** For `outside`: the absolute target that is not in the store. */
  readonly target?: string
}

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
