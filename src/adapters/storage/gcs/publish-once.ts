import { OperatingError } from '#engine/operating-error.ts'
import { isBrokenConnection } from '../network-failure.ts'
import type { GcsGeneration } from './object-resource.ts'

// More than two writers of one key meet rarely, and each of them writes the same bytes.
const mostTries = 4

interface Publication {
  readonly key: string
  readonly sizeBytes: number
  /** Whether to write only after a look: what is sent takes longer than that. */
  readonly looksFirst: boolean
  /** Writes while the object has that generation, `0` for none; `undefined` when it has another. */
  readonly write: (ifGeneration: string) => Promise<GcsGeneration | undefined>
  /** What is there now. */
  readonly find: () => Promise<GcsGeneration | undefined>
}

/**
 * Writes an object unless one of its size is there: names are digests, so that is the same one. One of
 * another size is damaged, and is replaced.
 */
export async function publishOnce(publication: Publication): Promise<void> {
  const { key, sizeBytes, looksFirst, find } = publication
  let found = looksFirst ? await find() : undefined
  for (let tries = 0; found?.sizeBytes !== sizeBytes; tries += 1) {
    if (tries === mostTries)
      throw new OperatingError(
        'STORAGE_BUSY',
        `cannot write ${key}: others replace it all the time`,
      )
    found = (await writeHeard(publication, found?.generation ?? '0')) ?? (await find())
  }
}

/** A broken connection may hide a refusal, and the answer to a write, too. */
async function writeHeard(
  { sizeBytes, write, find }: Publication,
  ifGeneration: string,
): Promise<GcsGeneration | undefined> {
  try {
    return await write(ifGeneration)
  } catch (error) {
    const found = isBrokenConnection(error) ? await find() : undefined
    if (found?.sizeBytes === sizeBytes) return found
    throw error
  }
}
