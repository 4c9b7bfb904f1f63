import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { startDaemon } from './daemon.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export type NixeryServer = AsyncDisposable & {
  /** `127.0.0.1:PORT`, which clients take for a registry without TLS. */
  readonly address: string
  readonly storageDirectory: string
  readonly pid: number
  readLog(): Promise<string>
}

const projectRoot = join(import.meta.dirname, '..', '..')

/**
 * Where the tests' servers keep what outlives them. All share it, from run to run, because the index of
 * the bundled package set takes a minute to make.
 */
const stateDirectory = join(projectRoot, '.state', 'test')

// The very first start makes the index of the bundled package set.
const readyTimeoutMs = 300_000

/** The product as `npm start` runs it, on a free port and with a storage directory of its own. */
export async function startNixery(env: NodeJS.ProcessEnv = {}): Promise<NixeryServer> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  await mkdir(stateDirectory, { recursive: true })
  const storageDirectory = join(directory, 'storage')
  const port = await findFreePort()
  const address = `127.0.0.1:${port}`
  const server = stack.use(
    await startDaemon({
      command: join(projectRoot, 'node_modules', '.bin', 'node'),
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

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // It does not listen yet.
    return false
  }
}

async function findFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resolve(port))
  })
  return await promise
}
