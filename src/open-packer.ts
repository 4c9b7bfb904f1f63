import { createWorkerPacker, type WorkerPacker } from '#adapters/packing/worker-packer.ts'
import type { Config } from './config.ts'

/** The packer that the configuration describes. */
export function openPacker({ packThreads }: Config): WorkerPacker {
  return createWorkerPacker({ threads: packThreads })
}
