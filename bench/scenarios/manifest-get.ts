import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import { measureManifestGets } from '../measured-gets.ts'
import type { Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** The manifest of an image that is built already. */
export const manifestGet: Scenario = {
  name: 'manifest-get',
  reference: 'docker-registry',
  commands: ['docker-registry', 'skopeo', 'wrk'],
  async prepare({ server }, stack) {
    const registry = stack.use(await startDockerRegistry())
    await copyImage(server.address, registry.address, imageName)
    return {
      product: () => measureManifestGets(server),
      reference: () => measureManifestGets(registry),
    }
  },
}
