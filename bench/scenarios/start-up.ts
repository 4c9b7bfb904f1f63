import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePort } from '#test/clients/free-port.ts'
import { prepareDockerRegistry } from '../docker-registry.ts'
import { measureStart } from '../measured-start.ts'
import type { Scenario } from '../scenario.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const registry = { reference: 'registry', referenceIs: 'docker-registry' }

/** From the command to the first request that is served, with everything installed. */
export const startUp: Scenario = {
  name: 'start-up',
  comparisons: [
    { name: 'start-up by npm start', product: 'npm start', ...registry },
    { name: 'start-up by nixery serve', product: 'nixery serve', ...registry },
    { name: 'start-up of the service', product: 'service', ...registry },
  ],
  commands: ['npm', 'docker-registry'],
  minRounds: 5,
  async prepare(workbench) {
    const port = await findFreePort()
    const env = {
      ...(await workbench.emptyState()),
      STORAGE_PATH: workbench.newPath('storage'),
      PORT: String(port),
    }
    const product = { env, directory: projectRoot, address: `127.0.0.1:${port}` }
    const directory = workbench.newPath('registry')
    await mkdir(directory)
    const reference = await prepareDockerRegistry(directory)
    const start = (...command: string[]) => {
      return () => measureStart({ ...product, command })
    }
    return {
      'npm start': start('npm', 'start'),
      'nixery serve': start('bootstrap/nixery.sh', 'serve'),
      service: start('node_modules/.bin/node', 'src/main.ts', 'serve'),
      registry: () => measureStart({ ...reference, directory }),
    }
  },
}
