/**
 * One entry of a layer archive that is held in memory. `path` has no leading slash and, for
 * directories, no trailing one; characters are bytes (Latin-1), as file names on Linux are.
 */
export type TarEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      readonly contents: Uint8Array
    }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
