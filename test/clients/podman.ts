import { statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export const podmanCommands = ['podman', 'conmon', 'runc'] as const

/** Podman with its images, containers, locks and policies in a directory of the test's own. */
export async function preparePodman(): Promise<Client & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const driver = await chooseStorageDriver(directory)
  const configPath = join(directory, 'containers.conf')
  const authPath = join(directory, 'auth.json')
  const registriesPath = join(directory, 'registries.conf')
  await writeFile(configPath, containersConfig(directory))
  await writeFile(registriesPath, '')
  await writeFile(authPath, '{}')
  const resources = stack.move()
  return {
    run: (args, options = {}) =>
      runCommand(
        'podman',
        [
          `--root=${join(directory, 'root')}`,
          `--runroot=${join(directory, 'run')}`,
          `--storage-driver=${driver}`,
          ...args,
        ],
        {
          ...options,
          env: {
            CONTAINERS_CONF: configPath,
            CONTAINERS_REGISTRIES_CONF: registriesPath,
            REGISTRY_AUTH_FILE: authPath,
            ...options.env,
          },
        },
      ),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Overlays do not lie on overlays; vfs works everywhere, at the price of one full copy per layer. */
async function chooseStorageDriver(directory: string): Promise<'overlay' | 'vfs'> {
  return (await statfs(directory)).type === overlayMagic ? 'vfs' : 'overlay'
}

// OVERLAYFS_SUPER_MAGIC in linux/magic.h.
const overlayMagic = 0x794c7630

function containersConfig(directory: string): string {
  return [
    '[engine]',
    'runtime = "runc"',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    // The default locks are in a shared memory segment that all podmans of the machine use.
    'lock_type = "file"',
    `tmp_dir = "${join(directory, 'tmp')}"`,
    `static_dir = "${join(directory, 'static')}"`,
    `volume_path = "${join(directory, 'volumes')}"`,
    '[containers]',
    // Podman would raise both limits, which not every machine's root may.
    'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
    '[network]',
    `network_config_dir = "${join(directory, 'networks')}"`,
    '',
  ].join('\n')
}
