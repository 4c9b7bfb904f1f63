import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { startDaemon } from './daemon.ts'
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
const readyTimeoutMs = 60_000

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
  const home = join(projectRoot, '.state')
  const name = `test-${await digestPackageSets()}`
  await removeOldStates(home, name)
  const stateDirectory = join(home, name)
  await mkdir(stateDirectory, { recursive: true })
  // Test files start together: one of them makes the index, and the others wait for it.
  const lock = join(stateDirectory, 'test.lock')
  const prepare = [nodePath, join(import.meta.dirname, 'prepare-package-set.ts'), stateDirectory]
  await outputOf({ run: (args) => runCommand('flock', [lock, ...args]) }, prepare)
  return stateDirectory
}

async function removeOldStates(home: string, current: string): Promise<void> {
  const names = existsSync(home) ? await readdir(home) : []
  for (const name of names.filter((name) => name.startsWith('test-') && name !== current)) {
    const path = join(home, name)
    const ageMs = Date.now() - (await stat(path)).mtimeMs
    if (ageMs > oldStateMs) await rm(path, { recursive: true, force: true })
  }
}

// A younger one may be in use by a run that started before the package set was changed.
const oldStateMs = 3_600_000

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

export async function findFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resolve(port))
  })
  return await promise
}
