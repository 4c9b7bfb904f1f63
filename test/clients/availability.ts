import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Why a test of these commands is skipped, in the form that `skip` of node:test takes: a text that is
 * printed, or false.
 */
export function skipUnless(
  commands: readonly string[],
  { root = false }: { readonly root?: boolean } = {},
): string | false {
  if (root && process.getuid?.() !== 0) return `${commands.join(', ')} can only be started by root`
  const missing = commands.filter((name) => !isCommand(name))
  return missing.length === 0 ? false : `${missing.join(', ')} could not be installed here`
}

/** Where commands are looked for: daemons are in folders that a user's PATH may leave out. */
export const commandPath = [
  process.env['PATH'] ?? '',
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
].join(delimiter)

function isCommand(name: string): boolean {
  return commandPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      // Not in this folder.
      return false
    }
  })
}
