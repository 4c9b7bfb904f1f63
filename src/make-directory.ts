import { access, constants, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeError } from '#adapters/log/described-error.ts'
import { ConfigError } from './config.ts'

/**
 * Makes a directory that a setting names, or stops the start in words of that setting. One level at
 * a time: `mkdir` with `recursive` never ends where the system says ENOENT for whatever it is asked
 * to make, as /proc does.
 */
export async function makeDirectory(setting: string, path: string): Promise<void> {
  try {
    await makeLevels(path)
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new ConfigError(
      `${setting}=${path} cannot be used: it must be a directory that this user may write to, or make (${describeError(cause)})`,
      { cause },
    )
  }
}

async function makeLevels(path: string): Promise<void> {
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
