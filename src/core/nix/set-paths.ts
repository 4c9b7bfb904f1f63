import type { FilePosition } from './structured-log.ts'

/** Paths of this machine as they are called within a package set: where it lies concerns nobody who asks for an image. */
export class SetPaths {
  readonly #patterns: readonly RegExp[]

  /** `roots` are the directories, and single files, that the set consists of. */
  constructor(roots: readonly string[]) {
    const directories = roots.map((root) => root.replace(/\/[^/]*\.nix$/, '').replace(/\/+$/, ''))
    // A directory in another one is called by its place there.
    const outermostFirst = [...new Set(directories)].sort((a, b) => a.length - b.length)
    this.#patterns = [
      ...outermostFirst.filter((root) => root !== '').map((root) => RegExp.escape(root)),
      // Flakes are evaluated in the store.
      String.raw`/nix/store/[0-9a-z]{32}-source`,
    ].map((path) => new RegExp(String.raw`(?<![\w./-])${path}(?:/+|(?![\w.-]))`, 'g'))
  }

  /** The text with paths relative to the set; the set itself is `.`. */
  shorten(text: string): string {
    return this.#patterns.reduce(
      (shorter, pattern) => shorter.replaceAll(pattern, (path) => (path.endsWith('/') ? '' : '.')),
      text,
    )
  }

  /** `default.nix:14:3`; `undefined` outside of the set. */
  format({ file, line, column }: FilePosition): string | undefined {
    const path = this.shorten(file)
    return path === file ? undefined : `${path}:${line}:${column}`
  }
}
