import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import type { Figure } from '../figure.ts'
import { prepareGeneratedSet } from '../generated-set/prepare-generated-set.ts'
import { fetchManifest } from '../manifest.ts'
import { watchMemory } from '../memory-watch.ts'
import type { Scenario } from '../scenario.ts'

const name = 'generated'

/** An image of 5 GB is built, and then pulled by skopeo, which pushes it to docker-registry. */
export const bigImage: Scenario = {
  name: 'big-image',
  comparisons: [
    {
      name: 'big-image',
      product: 'product',
      reference: 'registry',
      referenceIs: 'docker-registry, pushed to',
    },
  ],
  commands: ['docker-registry', 'skopeo', 'apt-get', 'dpkg-deb'],
  onDemand: true,
  keepsOrder: true,
  async prepare(workbench) {
    const set = workbench.newPath('set')
    await prepareGeneratedSet(set)
    let pushedTo: readonly Figure[] = []
    return {
      async product() {
        await using server = await workbench.start({ env: { NIXERY_PKGS_PATH: set } })
        await using registry = await startDockerRegistry()
        const building = watchMemory(server.pid)
        await fetchManifest(server.address, name)
        const built = await building.peak()
        const [pulling, pushing] = [watchMemory(server.pid), watchMemory(registry.pid)]
        await copyImage(server.address, registry.address, name)
        pushedTo = peakFigures({ built: await pushing.peak() })
        return peakFigures({ built, pulled: await pulling.peak() })
      },
      registry: async () => pushedTo,
    }
  },
}

/** The registry only takes in: that is what both figures of the product are compared with. */
function peakFigures({ built, pulled = built }: { built: number; pulled?: number }): Figure[] {
  return [
    { name: 'peak memory, built', unit: 'MB', value: built },
    { name: 'peak memory, pulled', unit: 'MB', value: pulled },
  ]
}
