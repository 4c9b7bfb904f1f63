import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

/** Puts the package set of this folder into a directory; its builders run anew in every test run. */
export async function preparePageSet(directory: string): Promise<void> {
  const awkward = join(directory, 'awkward')
  await mkdir(awkward, { recursive: true })
  await prepareAwkwardSet(awkward)
  await copyFile(join(import.meta.dirname, 'default.nix'), join(directory, 'default.nix'))
}
