import { symlink } from 'node:fs/promises'
import { join } from 'node:path'

import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import type { StoreLease } from '#engine/ports/package-builder.ts'
import { namesOnly, type ProvenPackages } from './made-outputs.ts'
import type { StoreQuestions } from './store-questions.ts'
import type { StoreSession } from './store-session.ts'

/**
 * Holds in the lease what is realised already, and returns the packages that are left to realise.
 * Nix would do the same in a process. A temporary root comes first: it is what a collector that runs
 * right now hears of. Roots in the lease take over, as they are there when the session has ended.
 *
 * Derivations have to be there only for packages that nobody has proven.
 */
export async function holdRealised(
  store: StoreQuestions,
  proven: ProvenPackages,
  packages: readonly FoundPackage[],
  lease: StoreLease,
  signal: AbortSignal,
): Promise<readonly FoundPackage[]> {
  const hold = async (session: StoreSession) => {
    const sound = await findSound(session, proven, packages)
    // What is yet to be made is not held for as long as a session lasts.
    const there = await session.validPaths(pathsOf(sound))
    const valid = await session.holdValidPaths([...there])
    const realised = sound.filter((it) => namesOnly(it, valid))
    const links = await guardFilesystem('cannot keep store paths for a build', () =>
      Promise.all(pathsOf(realised).map((path) => linkTo(path, lease))),
    )
    await session.addIndirectRoots(links)
    return new Set(realised)
  }
  const held = await store.ask(hold, signal)
  return held === undefined ? packages : packages.filter((it) => !held.has(it))
}

/** Those whose outputs are known to be made by their derivations. */
async function findSound(
  session: StoreSession,
  proven: ProvenPackages,
  packages: readonly FoundPackage[],
): Promise<readonly FoundPackage[]> {
  const unproven = packages.filter((it) => !proven.has(it))
  if (unproven.length === 0) return packages
  const valid = await session.validPaths(unproven.map(({ derivation }) => derivation))
  const made = await session.outputsOf([...valid])
  return packages.filter((it) => proven.has(it) || namesOnly(it, made.get(it.derivation)))
}

async function linkTo(path: StorePath, { directory }: StoreLease): Promise<string> {
  const link = join(directory, storePathBaseName(path))
  await symlink(path, link).catch((error: NodeJS.ErrnoException) => {
    // An earlier attempt of the same build made it.
    if (error.code !== 'EEXIST') throw error
  })
  return link
}

function pathsOf(packages: readonly FoundPackage[]): readonly StorePath[] {
  return [...new Set(packages.flatMap(({ outputs }) => outputs.map(({ path }) => path)))]
}
