import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { measureGnuTar } from '../gnu-tar.ts'
import { measureBuild } from '../measured-build.ts'
import { besideReference, type Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** A request after the manifest cache is gone: everything but packing is done again. */
export const warmRebuild: Scenario = {
  name: 'warm-rebuild',
  comparisons: besideReference('warm-rebuild', 'tar and gzip -6 of the store paths'),
  commands: ['tar', 'gzip'],
  async prepare(workbench, stack) {
    const storageDirectory = await workbench.copyStorageWithImage()
    const server = stack.use(await workbench.start({ storageDirectory }))
    return {
      async product() {
        await emptyDirectory(join(storageDirectory, 'manifests'))
        return measureBuild(server, imageName)
      },
      reference: () => measureGnuTar(workbench.storePaths, workbench.newPath('archive')),
    }
  },
}

async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) await rm(join(path, name))
}
