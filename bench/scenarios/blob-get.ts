import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import type { Figure } from '../figure.ts'
import { biggestLayer, smallestLayer } from '../manifest.ts'
import { measureBlobRequests, measureBlobThroughput } from '../measured-gets.ts'
import type { Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** The smallest layer of the image for requests, the biggest one for throughput. */
export const blobGet: Scenario = {
  name: 'blob-get',
  reference: 'docker-registry',
  commands: ['docker-registry', 'skopeo', 'wrk'],
  async prepare({ server, manifest }, stack) {
    const registry = stack.use(await startDockerRegistry())
    await copyImage(server.address, registry.address, imageName)
    const measure = async (address: string): Promise<readonly Figure[]> => [
      ...(await measureBlobRequests(address, smallestLayer(manifest))),
      ...(await measureBlobThroughput(address, biggestLayer(manifest))),
    ]
    return {
      product: () => measure(server.address),
      reference: () => measure(registry.address),
    }
  },
}
