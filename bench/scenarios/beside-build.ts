import { fetchManifest, smallestLayer } from '../manifest.ts'
import { measureLatencies } from '../latencies.ts'
import type { Scenario } from '../scenario.ts'
import { bigImageName, imageName } from '../workbench.ts'

// As long as the build beside takes on a fast machine.
const idleMs = 6_000

/** What others wait for while a cold build of more than 500 MB uses all cores, and while nothing runs. */
export const besideBuild: Scenario = {
  name: 'beside-build',
  comparisons: [
    { name: 'beside-build', product: 'busy', reference: 'idle', referenceIs: 'no build beside' },
  ],
  commands: [],
  minRounds: 2,
  async prepare(workbench) {
    await workbench.bigImage()
    const start = async () =>
      workbench.start({ storageDirectory: await workbench.copyStorageWithImage() })
    const paths = {
      manifest: `/v2/${imageName}/manifests/latest`,
      'small blob': `/v2/${imageName}/blobs/${smallestLayer(workbench.manifest).digest}`,
    }
    return {
      async busy() {
        await using server = await start()
        return await measureLatencies(
          server.address,
          paths,
          fetchManifest(server.address, bigImageName),
        )
      },
      async idle() {
        await using server = await start()
        const { promise: over, resolve: end } = Promise.withResolvers<void>()
        setTimeout(end, idleMs)
        return await measureLatencies(server.address, paths, over)
      },
    }
  },
}
