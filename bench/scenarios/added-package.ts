import { measureGnuTar } from '../gnu-tar.ts'
import { measureBuild } from '../measured-build.ts'
import { besideReference, type Scenario } from '../scenario.ts'
import { grownImageName } from '../workbench.ts'

/** An image that has one package more than one that is stored. */
export const addedPackage: Scenario = {
  name: 'added-package',
  comparisons: besideReference('added-package', 'tar and gzip -6 of the added store paths'),
  commands: ['tar', 'gzip'],
  prepare: async (workbench) => ({
    async product() {
      await using server = await workbench.start({
        storageDirectory: await workbench.copyStorageWithImage(),
      })
      return await measureBuild(server, grownImageName)
    },
    reference: () => measureGnuTar(workbench.addedStorePaths, workbench.newPath('archive')),
  }),
}
