/** What a NAR archive says about one name of a tree; names and targets are bytes (Latin-1). */
export type NarEntry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly sizeBytes: number; readonly executable: boolean }
  | { readonly kind: 'symlink'; readonly target: string }

/** How an archive begins, whatever it holds. */
export const narStartBytes = stringBytes('nix-archive-1')

/**
 * How many bytes an entry adds to the NAR archive of its tree; `name` is absent for the top. The sum
 * over a tree, with `narStartBytes`, is the size that Nix's database has (the format is in Dolstra's
 * thesis, figure 5.2, and in `libutil/archive.cc`). So a tree can be checked without hashing it: a
 * file that a power cut emptied, a name that is missing or new shows.
 */
export function narEntryBytes(entry: NarEntry, name: string | undefined): number {
  const inDirectory = name === undefined ? 0 : stringsBytes('entry', '(', 'name', name, 'node', ')')
  return (
    inDirectory +
    stringsBytes('(', 'type', entry.kind === 'file' ? 'regular' : entry.kind, ')') +
    detailBytes(entry)
  )
}

function detailBytes(entry: NarEntry): number {
  switch (entry.kind) {
    case 'directory':
      return 0
    case 'symlink':
      return stringsBytes('target', entry.target)
    case 'file':
      return (
        (entry.executable ? stringsBytes('executable', '') : 0) +
        stringsBytes('contents') +
        paddedBytes(entry.sizeBytes)
      )
  }
}

function stringsBytes(...strings: readonly string[]): number {
  return strings.reduce((sum, string) => sum + stringBytes(string), 0)
}

function stringBytes(string: string): number {
  return paddedBytes(string.length)
}

/** A length in 8 bytes, then the bytes, filled up to a multiple of 8. */
function paddedBytes(sizeBytes: number): number {
  return 8 + Math.ceil(sizeBytes / 8) * 8
}
