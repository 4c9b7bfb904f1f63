import { OperatingError } from '#engine/operating-error.ts'
import type { GcsGeneration } from './object-resource.ts'

// More than two writers of one key meet rarely, and each of them writes the same bytes.
const mostTries = 4

interface Publication {
  readonly key: string
  readonly sizeBytes: number
  /** Writes while the object has that generation, `0` for none; `undefined` when it has another. */
  readonly write: (ifGeneration: string) => Promise<GcsGeneration | undefined>
  /** What is there now. */
  readonly find: () => Promise<GcsGeneration | undefined>
}

/**
 * Writes an object unless one of its size is there: names are digests, so that is the same one. One of
 * another size is damaged, and is replaced.
 */
export async function publishOnce({ key, sizeBytes, write, find }: Publication): Promise<void> {
  let ifGeneration = '0'
  for (let tries = 0; tries < mostTries; tries += 1) {
    const found = (await write(ifGeneration)) ?? (await find())
    if (found?.sizeBytes === sizeBytes) return
    ifGeneration = found?.generation ?? '0'
  }
  throw new OperatingError('STORAGE_BUSY', `cannot write ${key}: others replace it all the time`)
}
