import { readdir, readFile } from 'node:fs/promises'

/** The names in a directory; none when it does not exist. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  return orWhenMissing(readdir(directory), [])
}

/** The text of a file; empty when it does not exist. */
export async function readIfThere(file: string): Promise<string> {
  return orWhenMissing(readFile(file, 'utf8'), '')
}

async function orWhenMissing<T>(reading: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise
    throw error
  }
}
