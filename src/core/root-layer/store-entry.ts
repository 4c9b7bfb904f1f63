/** One name in a directory of a store path. Names are Latin-1 strings: one character, one byte. */
export interface StoreEntry {
  readonly name: string
  /** What the name leads to once symbolic links are followed inside the store. */
  readonly kind: 'directory' | 'file' | 'dangling' | 'outside'
  /**
   * For `outside`: the absolute target that is not in the store. For a directory that is reached
   * through a link: where it really is.
   */
  readonly target?: string
}
