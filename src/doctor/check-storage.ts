import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { describeStorage, openStorage } from '../open-storage.ts'
import { checkDirectory } from './check-directory.ts'
import { clockSkew, mostSkewMs } from './check-clock.ts'
import { ok } from './finding.ts'

export async function checkStorage(
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { storage } = config
  if (storage.kind === 'filesystem') return checkDirectory('STORAGE_PATH', storage.directory)
  // Uploads on their way lie there, and the state directory need not be there yet.
  const stateDirectory = await mkdtemp(join(tmpdir(), 'nixery-doctor-'))
  try {
    const opened = await openStorage({ ...config, stateDirectory })
    try {
      const skewMs = Math.abs((await opened.upkeep.nowMs(signal)) - Date.now())
      return [
        ok(`${describeStorage(storage)} can be read and written`),
        ...(skewMs > mostSkewMs ? [clockSkew(skewMs, describeStorage(storage))] : []),
      ]
    } finally {
      await opened.close()
    }
  } finally {
    await rm(stateDirectory, { recursive: true, force: true })
  }
}
