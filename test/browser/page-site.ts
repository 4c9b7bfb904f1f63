import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { commitPackageSet } from '#test/anomaly/commit-package-set.ts'
import { startRegistry, type RegistryProcess } from '#test/anomaly/registry-process.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { preparePageSet } from './page-set/prepare-page-set.ts'

/** Commands without which there is no service to look at. */
export const siteCommands: readonly string[] = [
  'nix-store',
  'git',
  'apt-get',
  'dpkg-deb',
  'setpriv',
]

/** The service with the packages of `page-set`, in directories of its own. */
export async function startPageSite(
  environment: Readonly<Record<string, string>> = {},
): Promise<RegistryProcess> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const setDirectory = join(directory, 'set')
  await mkdir(setDirectory)
  await preparePageSet(setDirectory)
  // Pulls and orders share builds only where the packages cannot change meanwhile.
  await commitPackageSet({ directory })
  const service = stack.use(
    await startRegistry({
      environment: {
        NIXERY_STATE_DIRECTORY: join(directory, 'state'),
        STORAGE_PATH: join(directory, 'storage'),
        NIXERY_PKGS_REPO: `file://${setDirectory}`,
        ...environment,
      },
    }),
  )
  const resources = stack.move()
  return { ...service, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}
