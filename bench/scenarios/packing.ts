import { measureGnuTar } from '../gnu-tar.ts'
import { measurePacking } from '../packing/measured-packing.ts'
import type { MeasuredLayer } from '../stored-layers.ts'
import type { Scenario } from '../scenario.ts'

const gnu = { reference: 'gnu', referenceIs: 'tar and gzip -6 of the store paths' }

/** More than 500 MB of real packages: from the plan to published layers. */
export const packing: Scenario = {
  name: 'packing',
  comparisons: [
    { name: 'cold-pack', product: 'gzip', ...gnu },
    { name: 'zstd', product: 'zstd', ...gnu },
    { name: 'zstd-beside-gzip', product: 'zstd', reference: 'gzip', referenceIs: 'our gzip' },
    { name: 'joined', product: 'joined', ...gnu },
    { name: 'single-layer', product: 'single', reference: 'gzip', referenceIs: 'our many layers' },
  ],
  commands: ['tar', 'gzip'],
  minRounds: 3,
  async prepare(workbench) {
    const { layers, storePaths } = await workbench.bigImage()
    const pack = (what: readonly MeasuredLayer[], env: NodeJS.ProcessEnv) =>
      measurePacking({ layers: what, directory: workbench.newPath('packing'), env })
    const packCold = async (what: readonly MeasuredLayer[], env: NodeJS.ProcessEnv = {}) =>
      pack(what, { ...(await workbench.emptyState()), ...env })
    const filledState = await workbench.emptyState()
    let isFilled = false
    return {
      gnu: () => measureGnuTar(storePaths, workbench.newPath('archive')),
      gzip: () => packCold(layers),
      zstd: () => packCold(layers, { NIXERY_COMPRESSION: 'zstd' }),
      async joined() {
        // The first packing fills the cache of segments.
        if (!isFilled) await pack(layers, filledState)
        isFilled = true
        return pack(layers, filledState)
      },
      single: () => packCold([layers.flat()]),
    }
  },
}
