import { stat, statfs } from 'node:fs/promises'
import type { StatsFs } from 'node:fs'
import { tmpdir } from 'node:os'
import { formatByteSize } from '#apps/cli/byte-size.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { nearestDirectory } from './check-directory.ts'
import { fail, ok, warn } from './finding.ts'

// An image of some size takes as much twice: in the Nix store and in the storage.
const scarceBytes = 5 * 2 ** 30
const leastBytes = 2 ** 30
const scarceShare = 0.05

export async function checkDisks(config: Config): Promise<readonly Finding[]> {
  const { storage } = config
  const paths = new Map([
    ['the Nix store', '/nix/store'],
    ['the state directory', config.stateDirectory],
    ...(storage.kind === 'filesystem' ? [['the storage', storage.directory] as const] : []),
    ['temporary files', tmpdir()],
  ])
  const findings = new Map<number, Finding>()
  for (const [what, path] of paths) {
    const existing = await nearestDirectory(path)
    const { dev } = await stat(existing)
    // Once for each file system: the first of them speaks for the others.
    if (!findings.has(dev)) findings.set(dev, describeDisk(what, existing, await statfs(existing)))
  }
  return [...findings.values()]
}

function describeDisk(what: string, path: string, disk: StatsFs): Finding {
  const freeBytes = disk.bavail * disk.bsize
  const message = `${formatByteSize(freeBytes)} free for ${what} (${path})`
  const mend = 'free space there: nixery gc, nix-collect-garbage, or a larger disk'
  if (freeBytes < leastBytes) return fail(message, mend)
  if (freeBytes < scarceBytes) return warn(message, mend)
  // File systems that make inodes by need say that they have none.
  if (disk.files > 0 && disk.ffree / disk.files < scarceShare)
    return warn(`${disk.ffree} inodes are left for ${what} (${path})`, mend)
  return ok(message)
}
