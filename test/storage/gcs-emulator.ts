import { join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { goProgram, type GoProgram } from './go-program.ts'

export type GcsEmulator = AsyncDisposable & {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  /** Makes an empty bucket and gives its name. */
  makeBucket(): Promise<string>
}

/** The program of `startGcsEmulator`, which needs no account, or why there is none. */
export function gcsEmulatorProgram(): Promise<GoProgram> {
  return goProgram('github.com/fsouza/fake-gcs-server@v1.56.1')
}

// It answers within a tenth of a second, on a machine that does nothing else.
const readyTimeoutMs = 20_000

/** A server with Google's API that keeps objects in memory. It checks no signatures and no logins. */
export async function startGcsEmulator(program: string): Promise<GcsEmulator> {
  const scratch = await makeScratchDirectory()
  const port = await findFreePort()
  const endpoint = `http://127.0.0.1:${port}`
  const listenOn = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)]
  // Downloads under public addresses are answered for this host only.
  const publicHost = ['-public-host', `127.0.0.1:${port}`, '-external-url', endpoint]
  const daemon = await startDaemon({
    command: program,
    args: [...listenOn, ...publicHost, '-backend', 'memory', '-log-level', 'error'],
    logPath: join(scratch.path, 'log'),
    readyTimeoutMs,
    isReady: () =>
      fetch(`${endpoint}/_internal/healthcheck`).then(
        (response) => response.ok,
        () => false,
      ),
  }).catch(async (error: unknown) => {
    await scratch[Symbol.asyncDispose]()
    throw error
  })
  let buckets = 0
  return {
    endpoint,
    async makeBucket() {
      buckets += 1
      const name = `bucket-${buckets}`
      const response = await fetch(`${endpoint}/storage/v1/b`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      if (!response.ok) throw new Error(`no bucket: ${await response.text()}`)
      return name
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]()
      await scratch[Symbol.asyncDispose]()
    },
  }
}
