import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { startDockerd } from '#test/clients/dockerd.ts'
import { findFreePort, prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { runCommand, type CommandResult } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

/** The terminal of somebody who types what a page says. */
export interface PageSession extends AsyncDisposable {
  /** `npm start` starts the service instead of another one, and prints nothing. */
  run(command: string): Promise<CommandResult>
  writeFile(path: string, text: string): Promise<void>
}

const root = join(import.meta.dirname, '..', '..')
const nodePath = join(root, 'node_modules', '.bin', 'node')

/**
 * A home directory, a service and a Docker daemon of its own, each started when a command needs it.
 * `localhost:8080` is the service, wherever that listens.
 */
export async function openPageSession(): Promise<PageSession> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const home = join(directory, 'home')
  const bin = join(directory, 'bin')
  const directoryPath = join(directory, 'working-directory')
  await mkdir(home)
  await mkdir(bin)
  await writeFile(directoryPath, home)
  const stateDirectory = await prepareStateDirectory()
  const port = await findFreePort()
  const environment = {
    HOME: home,
    PATH: `${bin}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    PORT: String(port),
    NIXERY_STATE_DIRECTORY: stateDirectory,
    STORAGE_PATH: join(directory, 'storage'),
    NIXERY_REFRESH_HOURS: '0',
    GIT_AUTHOR_NAME: 'Somebody',
    GIT_AUTHOR_EMAIL: 'somebody@example.org',
    GIT_COMMITTER_NAME: 'Somebody',
    GIT_COMMITTER_EMAIL: 'somebody@example.org',
    NO_COLOR: '1',
  }
  const product = `${nodePath} ${join(root, 'src', 'main.ts')}`
  await writeProgram(join(bin, 'nixery'), `exec ${product} "$@"`)
  await writeProgram(join(bin, 'npx'), '[ "$1" = nixery ] && shift && exec nixery "$@"')
  await writeProgram(join(bin, 'npm'), '[ "$1" = start ] && exec nixery serve')
  // No signature policy but the tests' own.
  await writeProgram(join(bin, 'skopeo'), 'exec /usr/bin/skopeo --insecure-policy "$@"')

  let service: AsyncDisposable | undefined
  const startService = async (command: string) => {
    await service?.[Symbol.asyncDispose]()
    service = await startDaemon({
      command: 'bash',
      args: ['-c', `cd ~ && ${command}`],
      env: environment,
      logPath: join(directory, 'service.log'),
      readyTimeoutMs: 60_000,
      isReady: () => answers(`http://127.0.0.1:${port}/v2/`),
    })
  }
  stack.defer(() => service?.[Symbol.asyncDispose]())

  let docker: AsyncDisposable | undefined
  const startDocker = async () => {
    const daemon = await startDockerd()
    docker = daemon
    // The daemon has no bridge.
    const network = '[ "$1" = run ] && shift && set -- run --network=none "$@"'
    await writeProgram(
      join(bin, 'docker'),
      `${network}\nexport DOCKER_HOST=${daemon.host}\nexec ${await pathOf('docker')} "$@"`,
    )
  }
  stack.defer(() => docker?.[Symbol.asyncDispose]())

  const resources = stack.move()
  return {
    async run(command) {
      if (/\bnpm start$/.test(command)) {
        await startService(command)
        return { stdout: '', stderr: '', exitCode: 0 }
      }
      if (docker === undefined && /\bdocker\b/.test(command)) await startDocker()
      if (service === undefined && needsService.test(command)) await startService('npm start')
      const script = [
        `cd "$(cat ${directoryPath})"`,
        command.replaceAll('localhost:8080', `localhost:${port}`),
        `code=$?; pwd > ${directoryPath}; exit $code`,
      ]
      const result = await runCommand('bash', ['-c', script.join('\n')], { env: environment })
      const unsubstituted = (text: string) => text.replaceAll(`localhost:${port}`, 'localhost:8080')
      return {
        ...result,
        stdout: unsubstituted(result.stdout),
        stderr: unsubstituted(result.stderr),
      }
    },
    async writeFile(path, text) {
      const target = join((await readFile(directoryPath, 'utf8')).trim(), path)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, text)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

// The last two read the storage that a service has made.
const needsService = /localhost:8080|nixery (gc|verify)\b/

async function writeProgram(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

async function pathOf(command: string): Promise<string> {
  const { stdout } = await runCommand('sh', ['-c', `command -v ${command}`])
  return stdout.trim()
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // It does not listen yet.
    return false
  }
}
