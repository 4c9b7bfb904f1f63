import { readdir, readFile, stat } from 'node:fs/promises'

/** The names in a directory; none when it does not exist. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  return orWhenMissing(readdir(directory), [])
}

/** The text of a file; empty when it does not exist. */
export async function readIfThere(file: string): Promise<string> {
  return orWhenMissing(readFile(file, 'utf8'), '')
}

/** When a file or directory was changed last; `undefined` when it does not exist. */
export async function modificationTimeMs(path: string): Promise<number | undefined> {
  return (await orWhenMissing(stat(path), undefined))?.mtimeMs
}

async function orWhenMissing<T, U>(reading: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise
    throw error
  }
}
