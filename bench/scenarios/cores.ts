import { measurePacking } from '../packing/measured-packing.ts'
import type { Scenario } from '../scenario.ts'

/** The packing of more than 500 MB on one core and on two. */
export const cores: Scenario = {
  name: 'cores',
  comparisons: [
    {
      name: 'cores-gzip',
      product: 'gzip on two',
      reference: 'gzip on one',
      referenceIs: 'one core',
    },
    {
      name: 'cores-zstd',
      product: 'zstd on two',
      reference: 'zstd on one',
      referenceIs: 'one core',
    },
  ],
  commands: ['taskset'],
  onDemand: true,
  minRounds: 3,
  async prepare(workbench) {
    const { layers } = await workbench.bigImage()
    const packOn = (threads: number, codec: string) => async () =>
      measurePacking({
        layers,
        directory: workbench.newPath('packing'),
        env: {
          ...(await workbench.emptyState()),
          NIXERY_PACK_THREADS: String(threads),
          NIXERY_COMPRESSION: codec,
        },
        wrapper: ['taskset', '--cpu-list', `0-${threads - 1}`],
      })
    return {
      'gzip on two': packOn(2, 'gzip'),
      'gzip on one': packOn(1, 'gzip'),
      'zstd on two': packOn(2, 'zstd'),
      'zstd on one': packOn(1, 'zstd'),
    }
  },
}
