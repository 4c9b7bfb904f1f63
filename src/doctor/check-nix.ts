import { firstMendedNix, lacksSecurityFixes, probeNix } from '#adapters/nix/probe-nix.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { nixOptions } from '../open-nix.ts'
import { mayWrite } from './check-directory.ts'
import { fail, ok, warn } from './finding.ts'

export async function checkNix(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { version, access: storeAccess } = await probeNix(nixOptions(config), signal)
  const how = storeAccess === 'daemon' ? 'through its daemon' : 'by itself'
  const found = ok(`Nix ${version}, which this user reaches ${how}`)
  const old = lacksSecurityFixes(version)
    ? [
        warn(
          `Nix ${version} lacks security fixes of later versions`,
          `install Nix ${firstMendedNix} or newer, or serve only people and package sets that you trust`,
        ),
      ]
    : []
  return [found, ...old, ...(storeAccess === 'local' ? await checkStore() : [])]
}

/** Only without a daemon: it writes for others. */
async function checkStore(): Promise<readonly Finding[]> {
  const directories = ['/nix/store', '/nix/var/nix/db']
  const denied = await filterAsync(directories, async (path) => !(await mayWrite(path)))
  return denied.map((path) =>
    fail(
      `${path} cannot be written`,
      `give it to the user of the service (chown), or run nix-daemon as its owner`,
    ),
  )
}

async function filterAsync<T>(
  items: readonly T[],
  isWanted: (item: T) => Promise<boolean>,
): Promise<readonly T[]> {
  const wanted = await Promise.all(items.map(isWanted))
  return items.filter((_, index) => wanted[index])
}
