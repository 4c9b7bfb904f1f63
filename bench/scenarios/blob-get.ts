import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import type { Figure } from '../figure.ts'
import { biggestLayer, smallestLayer } from '../manifest.ts'
import { measureBlobRequests, measureBlobThroughput } from '../measured-gets.ts'
import type { RegistryProcess } from '../measured-gets.ts'
import { besideReference, type Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** The smallest layer of the image for requests, the biggest one for throughput. */
export const blobGet: Scenario = {
  name: 'blob-get',
  comparisons: besideReference('blob-get', 'docker-registry'),
  commands: ['docker-registry', 'skopeo', 'wrk'],
  async prepare({ server, manifest }, stack) {
    const reference = stack.use(await startDockerRegistry())
    await copyImage(server.address, reference.address, imageName)
    const measure = async (registry: RegistryProcess): Promise<readonly Figure[]> => [
      ...(await measureBlobRequests(registry, smallestLayer(manifest))),
      ...(await measureBlobThroughput(registry, biggestLayer(manifest))),
    ]
    return {
      product: () => measure(server),
      reference: () => measure(reference),
    }
  },
}
