import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

export const closuresFile = new URL('closures.json.gz', import.meta.url)

/** What `collect-closures.ts` writes. */
export interface StoredClosures {
  /** How many outputs the package set has, in the store or not. */
  readonly outputs: number
  /** Name, NAR size in bytes, and the positions of what it refers to: all of them lower ones. */
  readonly packages: ReadonlyArray<readonly [string, number, readonly number[]]>
}

/** One output of the package set; others are named by their position in the list of all. */
export interface Package {
  readonly name: string
  readonly narSizeBytes: number
  readonly references: readonly number[]
}

/** Outputs of the bundled set with real sizes and references; a package follows all that it needs. */
export function readClosures(): readonly Package[] {
  const text = gunzipSync(readFileSync(closuresFile)).toString()
  const { packages } = JSON.parse(text) as StoredClosures
  return packages.map(([name, narSizeBytes, references]) => ({ name, narSizeBytes, references }))
}
