import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

export interface HeavySet {
  readonly packages: PackageSet
  /** In the environment of every builder of the awkward packages, and of no other process. */
  readonly nonce: string
}

/** Puts the package set of this folder into a directory that does not exist yet. */
export async function prepareHeavySet(directory: string): Promise<HeavySet> {
  const awkward = join(directory, 'awkward')
  await mkdir(awkward, { recursive: true })
  const { identity } = await prepareAwkwardSet(awkward)
  const entry = join(directory, 'default.nix')
  await copyFile(join(import.meta.dirname, 'default.nix'), entry)
  return {
    packages: { identity, fixed: true, entry, readablePaths: [directory] },
    nonce: await readFile(join(awkward, 'nonce'), 'utf8'),
  }
}
