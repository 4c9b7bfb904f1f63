import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
} from '#package-sets/debian/debian-package-set.ts'

// Run by nixery-server.ts under its lock: makes the bundled package set unless it is there.
const [stateDirectory = ''] = process.argv.slice(2)

if ((await newestDebianPackageSet(stateDirectory)) === undefined) {
  await prepareDebianPackageSet(
    { stateDirectory },
    (line) => console.error(line),
    AbortSignal.timeout(300_000),
  )
}
