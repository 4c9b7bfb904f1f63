import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { S3 } from '@aws-sdk/client-s3'
import { startDaemon } from '#test/clients/daemon.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { goProgram, type GoProgram } from './go-program.ts'

export interface S3Emulator extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly pid: number
  /** The credentials that it takes, as the SDK and services find them. */
  readonly environment: Readonly<Record<string, string>>
  /** A client that goes past all code of the product. */
  readonly s3: S3
  makeBucket(name: string): Promise<void>
}

const accessKeyId = 'AKIATESTSOFTHISREPO'
const secretAccessKey = 'secretOfTheTestsOfThisRepository'

const readyTimeoutMs = 20_000

/** The emulator's program, or why there is none. */
export function s3EmulatorProgram(): Promise<GoProgram> {
  return goProgram('github.com/versity/versitygw/cmd/versitygw@v1.8.0')
}

/** An S3 server that checks signatures and keeps its objects as files of its own directory. */
export async function startS3Emulator(program: string): Promise<S3Emulator> {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await makeScratchDirectory())
  const root = join(path, 'buckets')
  await mkdir(root)
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const daemon = stack.use(
    await startDaemon({
      command: program,
      // The SDK keeps connections, which the emulator would end after each request.
      args: ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', root],
      env: { ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey },
      logPath: join(path, 'log'),
      readyTimeoutMs,
      isReady: () => answers(url),
    }),
  )
  const s3 = new S3({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  stack.defer(() => s3.destroy())
  const resources = stack.move()
  return {
    url,
    pid: daemon.pid,
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    s3,
    async makeBucket(name) {
      await s3.createBucket({ Bucket: name })
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await response.body?.cancel()
    return true
  } catch {
    // Not yet.
    return false
  }
}
