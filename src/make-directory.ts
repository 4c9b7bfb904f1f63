import { access, constants } from 'node:fs/promises'
import { makeLevels } from '#adapters/filesystem/make-levels.ts'
import { describeError } from '#adapters/log/described-error.ts'
import { ConfigError } from './config.ts'

/** Makes a directory that a setting names, or stops the start in words of that setting. */
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
