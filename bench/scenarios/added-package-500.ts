import { measureBuild } from '../measured-build.ts'
import type { Scenario } from '../scenario.ts'
import { bigImageName, grownBigImageName } from '../workbench.ts'
import type { NixeryServer } from '#test/clients/nixery-server.ts'

/** A service builds an image of more than 500 MB, and is then asked for one small package more. */
export const addedPackage500: Scenario = {
  name: 'added-package-500',
  comparisons: [
    {
      name: 'added-package-500',
      product: 'added',
      reference: 'cold',
      referenceIs: 'the cold build of the image before',
    },
  ],
  commands: [],
  keepsOrder: true,
  minRounds: 3,
  async prepare(workbench, stack) {
    await workbench.bigImage()
    let server: NixeryServer | undefined
    stack.defer(() => server?.[Symbol.asyncDispose]())
    return {
      async cold() {
        server = await workbench.start()
        return measureBuild(server, bigImageName)
      },
      async added() {
        const figures = await measureBuild(server!, grownBigImageName)
        await server?.[Symbol.asyncDispose]()
        server = undefined
        return figures
      },
    }
  },
}
