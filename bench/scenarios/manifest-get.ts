import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import { measureManifestGets } from '../measured-gets.ts'
import type { Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

const registry = { reference: 'registry', referenceIs: 'docker-registry, errors only' }

/** The manifest of an image that is built already, with the usual log and with errors only. */
export const manifestGet: Scenario = {
  name: 'manifest-get',
  comparisons: [
    { name: 'manifest-get', product: 'product', ...registry },
    { name: 'manifest-get-quiet', product: 'quiet', ...registry },
  ],
  commands: ['docker-registry', 'skopeo', 'wrk'],
  async prepare(workbench, stack) {
    const { server } = workbench
    const reference = stack.use(await startDockerRegistry())
    await copyImage(server.address, reference.address, imageName)
    const quiet = stack.use(
      await workbench.start({
        storageDirectory: await workbench.copyStorageWithImage(),
        env: { LOG_LEVEL: 'error' },
      }),
    )
    return {
      product: () => measureManifestGets(server),
      quiet: () => measureManifestGets(quiet),
      registry: () => measureManifestGets(reference),
    }
  },
}
