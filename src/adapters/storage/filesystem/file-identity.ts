import type { Stats } from 'node:fs'

/** What tells that it is the same file, and that nobody has written to it, renamed or removed it. */
export type FileIdentity = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs' | 'ctimeMs' | 'nlink'>

// Kernels take file times from a clock that ticks every 1 to 10 ms.
const tickMs = 20

// Some file systems keep whole seconds.
const coarseTickMs = 2000

/** From when on a further change is sure to give other times. */
export function settledMs({ mtimeMs, ctimeMs }: Pick<Stats, 'mtimeMs' | 'ctimeMs'>): number {
  const changedMs = Math.max(mtimeMs, ctimeMs)
  return changedMs + (changedMs % 1000 === 0 ? coarseTickMs : tickMs)
}

export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return (
    one.ino === other.ino &&
    one.ctimeMs === other.ctimeMs &&
    one.mtimeMs === other.mtimeMs &&
    one.size === other.size &&
    one.nlink === other.nlink &&
    one.dev === other.dev
  )
}

export function formatIdentity({ dev, ino, size, mtimeMs, ctimeMs, nlink }: FileIdentity): string {
  return [dev, ino, size, mtimeMs, ctimeMs, nlink].join(':')
}
