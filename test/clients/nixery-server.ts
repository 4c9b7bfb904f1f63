import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from './daemon.ts'
import { findFreePort } from './free-port.ts'
import { outputOf, runCommand } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export type NixeryServer = AsyncDisposable & {
  /** `127.0.0.1:PORT`, which clients take for a registry without TLS. */
  readonly address: string
  readonly storageDirectory: string
  readonly pid: number
  readLog(): Promise<string>
}

const projectRoot = join(import.meta.dirname, '..', '..')
const nodePath = join(projectRoot, 'node_modules', '.bin', 'node')

// The index of the package set is there, but the machine may be busy with other tests.
const readyTimeoutMs = 180_000

// Of lists that are downloaded, and of an index; those that come later wait as long.
const preparationTimeoutMs = 900_000

/** The product as `npm start` runs it, on a free port and with a storage directory of its own. */
export async function startNixery(env: NodeJS.ProcessEnv = {}): Promise<NixeryServer> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const stateDirectory = await prepareStateDirectory()
  const storageDirectory = join(directory, 'storage')
  const port = await findFreePort()
  const address = `127.0.0.1:${port}`
  const server = stack.use(
    await startDaemon({
      command: nodePath,
      args: [join(projectRoot, 'src', 'main.ts'), 'serve'],
      env: {
        PORT: String(port),
        STORAGE_PATH: storageDirectory,
        NIXERY_STATE_DIRECTORY: stateDirectory,
        ...env,
      },
      logPath: join(directory, 'log'),
      readyTimeoutMs,
      isReady: () => answers(`http://${address}/v2/`),
    }),
  )
  const resources = stack.move()
  return {
    address,
    storageDirectory,
    pid: server.pid,
    readLog: () => server.readLog(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/**
 * Where the tests' servers keep what outlives them. All share it, from run to run, because the index of
 * the bundled package set takes a while to make; but a server serves the index that is there, so a
 * changed package set gets a new directory.
 */
export async function prepareStateDirectory(): Promise<string> {
  const stateDirectory = join(projectRoot, '.state', `test-${await digestPackageSets()}`)
  await mkdir(stateDirectory, { recursive: true })
  // Test files start together: one of them makes the index, and the others wait for it.
  const lock = join(stateDirectory, 'test.lock')
  const prepare = [nodePath, join(import.meta.dirname, 'prepare-package-set.ts'), stateDirectory]
  const options = { timeoutMs: preparationTimeoutMs }
  await outputOf({ run: (args) => runCommand('flock', [lock, ...args], options) }, prepare)
  return stateDirectory
}

async function digestPackageSets(): Promise<string> {
  const folder = join(projectRoot, 'package-sets')
  const paths = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !/\.(test|soak)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
  const digest = createHash('sha256')
  for (const path of paths.sort()) digest.update(path).update(await readFile(path))
  return digest.digest('hex').slice(0, 12)
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // It does not listen yet.
    return false
  }
}
