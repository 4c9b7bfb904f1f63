import { randomUUID } from 'node:crypto'
import { access, constants, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describeError } from '#adapters/log/described-error.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import { fail, ok } from './finding.ts'

/** Whether a directory that a setting names can be used, or made. */
export async function checkDirectory(setting: string, path: string): Promise<readonly Finding[]> {
  const existing = await nearestDirectory(path)
  if (!(await stat(existing)).isDirectory())
    return [fail(`${existing} is no directory`, `set ${setting} to a directory`)]
  if (!(await mayWrite(existing)))
    return [
      fail(
        existing === path
          ? `${path} cannot be written by this user`
          : `${path} cannot be made: ${existing} cannot be written by this user`,
        `give it to the user of the service, or set ${setting} to another directory`,
      ),
    ]
  // Read-only mounts and full disks show only when something is written.
  const probe = join(existing, `.doctor-${randomUUID()}`)
  try {
    await writeFile(probe, 'nixery doctor', { flag: 'wx', flush: true })
    return [
      ok(existing === path ? `${path} can be written` : `${path} will be made in ${existing}`),
    ]
  } catch (error) {
    return [
      fail(
        `${path} cannot be written: ${describeError(error)}`,
        `free space there, or set ${setting} to another directory`,
      ),
    ]
  } finally {
    await rm(probe, { force: true })
  }
}

export async function nearestDirectory(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined || dirname(path) === path ? path : nearestDirectory(dirname(path))
}

export function mayWrite(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}
