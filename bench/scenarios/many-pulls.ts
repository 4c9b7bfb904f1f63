import { fetchManifest } from '../manifest.ts'
import { pullImages } from '../pulled-images.ts'
import { readTreeMemory } from '../process-usage.ts'
import type { Scenario } from '../scenario.ts'
import type { NixeryServer } from '#test/clients/nixery-server.ts'

// A few megabytes.
const name = 'jq'

/** The memory of a service after 1,000 pulls of a small image, and after 10,000. */
export const manyPulls: Scenario = {
  name: 'many-pulls',
  comparisons: [
    {
      name: 'many-pulls',
      product: 'after 10,000',
      reference: 'after 1,000',
      referenceIs: 'after 1,000 pulls',
    },
  ],
  commands: [],
  onDemand: true,
  keepsOrder: true,
  async prepare(workbench, stack) {
    let server: NixeryServer | undefined
    stack.defer(() => server?.[Symbol.asyncDispose]())
    const pull = async (count: number) => {
      await pullImages(server!.address, name, count)
      return [{ name: 'memory', unit: 'MB', value: await readTreeMemory(server!.pid) } as const]
    }
    return {
      async 'after 1,000'() {
        await server?.[Symbol.asyncDispose]()
        server = await workbench.start()
        await fetchManifest(server.address, name)
        return pull(1_000)
      },
      'after 10,000': () => pull(9_000),
    }
  },
}
