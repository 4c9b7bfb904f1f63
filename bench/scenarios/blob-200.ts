import { join } from 'node:path'
import { link } from 'node:fs/promises'
import { startDockerRegistry } from '../docker-registry.ts'
import { measureDownloads } from '../downloads.ts'
import { startNginx } from '../nginx.ts'
import { placeInRegistry, placeInStorage, writeRandomBlob } from '../random-blob.ts'
import type { Scenario } from '../scenario.ts'
import { imageName } from '../workbench.ts'

const sizeBytes = 200 * 1024 * 1024

/** Downloads of one big layer, by one client and by many. */
export const blob200: Scenario = {
  name: 'blob-200',
  comparisons: [
    {
      name: 'blob-200',
      product: 'product',
      reference: 'nginx',
      referenceIs: 'nginx with sendfile',
    },
    {
      name: 'blob-200-registry',
      product: 'product',
      reference: 'registry',
      referenceIs: 'docker-registry',
    },
  ],
  commands: ['nginx', 'docker-registry'],
  async prepare(workbench, stack) {
    const path = workbench.newPath('blob')
    const digest = await writeRandomBlob(path, sizeBytes)
    const storageDirectory = await workbench.copyStorageWithImage()
    await placeInStorage(path, digest, storageDirectory)
    const product = stack.use(await workbench.start({ storageDirectory }))
    const registry = stack.use(await startDockerRegistry())
    await placeInRegistry(path, digest, registry.storageDirectory, imageName)
    const nginx = stack.use(await startNginx())
    await link(path, join(nginx.directory, 'blob'))
    const blobPath = `/v2/${imageName}/blobs/${digest}`
    const contender = async (server: { address: string; pid: number }, urlPath: string) => {
      const from = { url: new URL(urlPath, `http://${server.address}`), pid: server.pid }
      // Not measured: the product compares a blob with its digest when it is first read.
      await measureDownloads({ ...from, clients: 1 })
      return async () => [
        ...(await measureDownloads({ ...from, clients: 1 })),
        ...(await measureDownloads({ ...from, clients: 16 })),
      ]
    }
    return {
      product: await contender(product, blobPath),
      nginx: await contender(nginx, '/blob'),
      registry: await contender(registry, blobPath),
    }
  },
}
