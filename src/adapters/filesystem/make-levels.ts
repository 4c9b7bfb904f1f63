import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory with those above that it lacks. One level at a time: `mkdir` with `recursive` never
 * ends where the system says ENOENT for whatever it is asked to make, as /proc does.
 */
export async function makeLevels(path: string): Promise<void> {
  if (await isDirectory(path)) return
  if (dirname(path) !== path) await makeLevels(dirname(path))
  try {
    await mkdir(path)
  } catch (error) {
    // Another instance may have been first.
    if (!(await isDirectory(path))) throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
