import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { skopeo } from '#test/clients/image-tools.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { outputOf } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

export type DockerRegistry = AsyncDisposable & {
  readonly address: string
  readonly pid: number
  readonly storageDirectory: string
}

/** A docker-registry that can be started again and again. */
export interface PreparedRegistry {
  readonly address: string
  readonly command: readonly string[]
  readonly storageDirectory: string
}

/** Writes the configuration into `directory`. */
export async function prepareDockerRegistry(directory: string): Promise<PreparedRegistry> {
  const address = `127.0.0.1:${await findFreePort()}`
  const configPath = join(directory, 'config.yml')
  const storageDirectory = join(directory, 'storage')
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(configuration(address, storageDirectory)))
  return { address, command: ['docker-registry', 'serve', configPath], storageDirectory }
}

/** Debian's registry with its cache in memory; private, without passwords and logging errors only. */
export async function startDockerRegistry(): Promise<DockerRegistry> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const prepared = await prepareDockerRegistry(directory)
  const { address, storageDirectory } = prepared
  const [command = '', ...args] = prepared.command
  const daemon = stack.use(
    await startDaemon({
      command,
      args,
      logPath: join(directory, 'log'),
      readyTimeoutMs: 30_000,
      isReady: () => answers(`http://${address}/v2/`),
    }),
  )
  const resources = stack.move()
  return {
    address,
    pid: daemon.pid,
    storageDirectory,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function configuration(address: string, storageDirectory: string): unknown {
  return {
    version: '0.1',
    // As an operator who wants speed has it: requests are not logged.
    log: { level: 'error', accesslog: { disabled: true }, fields: { service: 'registry' } },
    storage: {
      cache: { blobdescriptor: 'inmemory' },
      filesystem: { rootdirectory: storageDirectory },
    },
    http: { addr: address },
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    // It does not listen yet.
    return false
  }
}

/** Copies an image between registries, byte by byte. */
export async function copyImage(from: string, to: string, name: string): Promise<void> {
  await outputOf(skopeo, [
    'copy',
    '--preserve-digests',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
    `docker://${from}/${name}`,
    `docker://${to}/${name}`,
  ])
}
