import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
} from '#package-sets/debian/debian-package-set.ts'

// Run by nixery-server.ts under its lock: makes the bundled package set unless it is there, and removes
// those of older sources.
const [stateDirectory = ''] = process.argv.slice(2)

// A younger one may be in use by a run that started before the package set was changed.
const oldStateMs = 3_600_000

await removeOldStates(dirname(stateDirectory), basename(stateDirectory))
if ((await newestDebianPackageSet(stateDirectory)) === undefined) {
  await prepareDebianPackageSet(
    { stateDirectory },
    (line) => console.error(line),
    AbortSignal.timeout(600_000),
  )
}

async function removeOldStates(home: string, current: string): Promise<void> {
  const names = await readdir(home)
  for (const name of names.filter((name) => name.startsWith('test-') && name !== current)) {
    const path = join(home, name)
    const ageMs = Date.now() - (await stat(path)).mtimeMs
    if (ageMs > oldStateMs) await rm(path, { recursive: true, force: true })
  }
}
