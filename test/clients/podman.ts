import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export const podmanCommands = ['podman', 'conmon', 'runc'] as const

/** Podman with its images, containers, locks and policies in a directory of the test's own. */
export async function preparePodman(): Promise<Client & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const configPath = join(directory, 'containers.conf')
  const registriesPath = join(directory, 'registries.conf')
  await writeFile(configPath, containersConfig(directory))
  await writeFile(registriesPath, '')
  const resources = stack.move()
  return {
    run: (args, options = {}) =>
      runCommand(
        'podman',
        [
          `--root=${join(directory, 'root')}`,
          `--runroot=${join(directory, 'run')}`,
          // Works on every file system, and the images of the tests are small.
          '--storage-driver=vfs',
          ...args,
        ],
        {
          ...options,
          env: {
            CONTAINERS_CONF: configPath,
            CONTAINERS_REGISTRIES_CONF: registriesPath,
            REGISTRY_AUTH_FILE: join(directory, 'auth.json'),
            ...options.env,
          },
        },
      ),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

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
    '[network]',
    `network_config_dir = "${join(directory, 'networks')}"`,
    '',
  ].join('\n')
}
