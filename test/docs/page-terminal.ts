import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { startDockerd } from '#test/clients/dockerd.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { outputOf, runCommand, type CommandResult } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

/** The terminal of somebody who types what pages say. */
export interface PageTerminal extends AsyncDisposable {
  /** Begins a page: an empty home directory, and no image in Docker. */
  turnPage(): Promise<void>
  /** `npm start` starts the service instead of the one that runs, and prints nothing. */
  run(command: string): Promise<CommandResult>
  /** Writes a file into the working directory. */
  writeFile(path: string, text: string): Promise<void>
}

const root = join(import.meta.dirname, '..', '..')
const product = [join(root, 'node_modules', '.bin', 'node'), join(root, 'src', 'main.ts')].join(' ')

/**
 * Its service and its Docker daemon start when a command needs them; pages share them with all that was
 * built. `localhost:8080` is the service, wherever that listens.
 */
export async function openPageTerminal(): Promise<PageTerminal> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const bin = await writePrograms(directory)
  const port = await findFreePort()
  const environment = {
    ...person,
    PATH: `${bin}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    PORT: String(port),
    NIXERY_STATE_DIRECTORY: await prepareStateDirectory(),
    STORAGE_PATH: join(directory, 'storage'),
    NIXERY_REFRESH_HOURS: '0',
  }
  const service = stack.use(new Service({ ...environment, HOME: directory }, directory, port))
  const docker = stack.use(new Docker(bin))
  const resources = stack.move()
  let home = directory
  let workingDirectory = directory
  let hasStarted = false

  return {
    async turnPage() {
      home = await mkdtemp(join(directory, 'home-'))
      workingDirectory = home
      hasStarted = false
      await docker.removeImages()
    },
    async run(command) {
      if (/\bnpm start$/.test(command)) {
        hasStarted = true
        await service.start(command.replaceAll('$HOME', home))
        return { stdout: '', stderr: '', exitCode: 0 }
      }
      if (/\bdocker\b/.test(command)) await docker.start()
      if (!hasStarted && needsService.test(command)) await service.start('npm start')
      const directoryPath = join(directory, 'working-directory')
      const script = [
        `cd ${workingDirectory}`,
        command.replaceAll('localhost:8080', `localhost:${port}`),
        `code=$?; pwd > ${directoryPath}; exit $code`,
      ]
      const env = { ...environment, HOME: home }
      const result = await runCommand('bash', ['-c', script.join('\n')], { env })
      workingDirectory = (await readFile(directoryPath, 'utf8')).trim()
      const asShown = (text: string) => text.replaceAll(`localhost:${port}`, 'localhost:8080')
      return { ...result, stdout: asShown(result.stdout), stderr: asShown(result.stderr) }
    },
    async writeFile(path, text) {
      const target = join(workingDirectory, path)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, text)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

// Without an address `watch` asks this service; the others read the storage that one has made.
const needsService = /localhost:8080|nixery (gc|verify|watch)\b/

const person = {
  GIT_AUTHOR_NAME: 'Somebody',
  GIT_AUTHOR_EMAIL: 'somebody@example.org',
  GIT_COMMITTER_NAME: 'Somebody',
  GIT_COMMITTER_EMAIL: 'somebody@example.org',
  NO_COLOR: '1',
}

/** The service as the last `npm start` started it. */
class Service {
  readonly #environment: NodeJS.ProcessEnv
  readonly #directory: string
  readonly #port: number
  #running: { readonly command: string; readonly daemon: AsyncDisposable } | undefined

  constructor(environment: NodeJS.ProcessEnv, directory: string, port: number) {
    this.#environment = environment
    this.#directory = directory
    this.#port = port
  }

  async start(command: string): Promise<void> {
    if (this.#running?.command === command) return
    await this[Symbol.asyncDispose]()
    const daemon = await startDaemon({
      command: 'bash',
      args: ['-c', command],
      env: this.#environment,
      logPath: join(this.#directory, 'service.log'),
      readyTimeoutMs: 180_000,
      isReady: () => answers(`http://127.0.0.1:${this.#port}/v2/`),
    })
    this.#running = { command, daemon }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.daemon[Symbol.asyncDispose]()
    this.#running = undefined
  }
}

/** A Docker daemon, and the client that speaks with it. */
class Docker {
  readonly #bin: string
  #daemon: Awaited<ReturnType<typeof startDockerd>> | undefined

  constructor(bin: string) {
    this.#bin = bin
  }

  async start(): Promise<void> {
    if (this.#daemon !== undefined) return
    this.#daemon = await startDockerd()
    const { stdout: client } = await runCommand('sh', ['-c', 'command -v docker'])
    // The daemon has no bridge.
    const withoutNetwork = '[ "$1" = run ] && shift && set -- run --network=none "$@"'
    await writeProgram(
      join(this.#bin, 'docker'),
      `${withoutNetwork}\nexport DOCKER_HOST=${this.#daemon.host}\nexec ${client.trim()} "$@"`,
    )
  }

  async removeImages(): Promise<void> {
    if (this.#daemon !== undefined)
      await outputOf(this.#daemon, ['image', 'prune', '--all', '--force'])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]()
  }
}

/** Commands that are others here than on the machine of a reader. Gives their directory. */
async function writePrograms(directory: string): Promise<string> {
  const bin = join(directory, 'bin')
  await mkdir(bin)
  await writeProgram(join(bin, 'nixery'), `exec ${product} "$@"`)
  await writeProgram(join(bin, 'npx'), '[ "$1" = nixery ] && shift && exec nixery "$@"')
  await writeProgram(join(bin, 'npm'), '[ "$1" = start ] && exec nixery serve')
  // No signature policy but the tests' own.
  await writeProgram(join(bin, 'skopeo'), 'exec /usr/bin/skopeo --insecure-policy "$@"')
  return bin
}

async function writeProgram(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // It does not listen yet.
    return false
  }
}
