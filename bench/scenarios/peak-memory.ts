import { copyImage, startDockerRegistry } from '../docker-registry.ts'
import type { Figure } from '../figure.ts'
import { biggestLayer, fetchManifest } from '../manifest.ts'
import type { Descriptor } from '../manifest.ts'
import { measureBlobThroughput, measureManifestGets } from '../measured-gets.ts'
import type { RegistryProcess } from '../measured-gets.ts'
import { readPeakMemory } from '../process-usage.ts'
import { besideReference, type Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

/** A fresh process that takes in an image (builds it, or has it pushed), then serves it under load. */
export const peakMemory: Scenario = {
  name: 'peak-memory',
  comparisons: besideReference('peak-memory', 'docker-registry, pushed to'),
  commands: ['docker-registry', 'skopeo', 'wrk'],
  async prepare(workbench) {
    const { server, manifest } = workbench
    return {
      async product() {
        await using fresh = await workbench.start()
        await fetchManifest(fresh.address, imageName)
        return await measureMemory(fresh, biggestLayer(manifest))
      },
      async reference() {
        await using registry = await startDockerRegistry()
        await copyImage(server.address, registry.address, imageName)
        return await measureMemory(registry, biggestLayer(manifest))
      },
    }
  },
}

async function measureMemory(
  registry: RegistryProcess,
  blob: Descriptor,
): Promise<readonly Figure[]> {
  const takenIn = await readPeakMemory(registry.pid)
  await measureManifestGets(registry)
  await measureBlobThroughput(registry, blob)
  const served = await readPeakMemory(registry.pid)
  return [
    { name: 'image taken in', unit: 'MB', value: takenIn },
    { name: 'image served too', unit: 'MB', value: served },
  ]
}
