import { join } from 'node:path'
import { openSegmentDirectory, type SegmentDirectory } from '#adapters/packing/segment-directory.ts'
import { createWorkerPacker, type WorkerPacker } from '#adapters/packing/worker-packer.ts'
import type { Config } from './config.ts'

/** The packer that the configuration describes. */
export async function openPacker(config: Config): Promise<WorkerPacker> {
  const segments = await openSegments(config)
  const packer = createWorkerPacker({ threads: config.packThreads, segments })
  return {
    pack: (...layer) => packer.pack(...layer),
    prepare: (...segment) => packer.prepare(...segment),
    warmUp: () => packer.warmUp(),
    async close() {
      await packer.close()
      await segments?.close()
    },
  }
}

/** A directory that cannot be used costs time, not the service. */
async function openSegments({
  stateDirectory,
  segmentCacheBytes: mostBytes,
}: Config): Promise<SegmentDirectory | undefined> {
  if (mostBytes === 0) return undefined
  const directory = join(stateDirectory, 'segments')
  try {
    return await openSegmentDirectory({ directory, mostBytes })
  } catch (error) {
    process.emitWarning(`compressed store paths are not kept: ${String(error)}`)
    return undefined
  }
}
