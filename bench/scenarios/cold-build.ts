import { measureGnuTar } from '../gnu-tar.ts'
import { measureBuild } from '../measured-build.ts'
import { besideReference, type Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** The first request for an image: the packages are in the Nix store, the storage is empty. */
export const coldBuild: Scenario = {
  name: 'cold-build',
  comparisons: besideReference('cold-build', 'tar and gzip -6 of the store paths'),
  commands: ['tar', 'gzip'],
  prepare: async (workbench) => ({
    async product() {
      await using server = await workbench.start()
      return await measureBuild(server, imageName)
    },
    reference: () => measureGnuTar(workbench.storePaths, workbench.newPath('archive')),
  }),
}
