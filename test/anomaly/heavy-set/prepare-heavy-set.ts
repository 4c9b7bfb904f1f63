import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PinnedSource } from '#engine/ports/package-builder.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

export interface HeavySet {
  readonly source: PinnedSource
  /** In the environment of every builder of the awkward packages, and of no other process. */
  readonly nonce: string
}

/** Puts the package set of this folder into a directory that does not exist yet. */
export async function prepareHeavySet(directory: string): Promise<HeavySet> {
  const awkward = join(directory, 'awkward')
  await mkdir(awkward, { recursive: true })
  const { revision } = await prepareAwkwardSet(awkward)
  const entry = join(directory, 'default.nix')
  await copyFile(join(import.meta.dirname, 'default.nix'), entry)
  return {
    source: { revision, entry, readablePaths: [directory] },
    nonce: await readFile(join(awkward, 'nonce'), 'utf8'),
  }
}
