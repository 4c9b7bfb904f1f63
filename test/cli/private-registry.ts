import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

export type PrivateRegistry = AsyncDisposable & {
  /** `127.0.0.1:PORT` */
  readonly address: string
}

/** The only login of a closed registry. */
export const onlyLogin = { user: 'me', password: 'secret:word' } as const

// bcrypt of that password, in the fewest rounds: htpasswd is not on every machine.
const passwordHash = '$2b$04$1vkX9kw7jf.3wveH7glu/ODtIxBCOqXMeQZsescGqFB7vo7b.4Bs2'

/** Debian's docker-registry, for everybody or for one login. */
export async function startPrivateRegistry({
  isClosed,
}: {
  readonly isClosed: boolean
}): Promise<PrivateRegistry> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const address = `127.0.0.1:${await findFreePort()}`
  const configPath = join(directory, 'config.yml')
  const passwordPath = join(directory, 'htpasswd')
  if (isClosed) await writeFile(passwordPath, `${onlyLogin.user}:${passwordHash}\n`)
  const configuration = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    http: { addr: address },
    ...(isClosed && { auth: { htpasswd: { realm: 'tests', path: passwordPath } } }),
  }
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(configuration))
  stack.use(
    await startDaemon({
      command: 'docker-registry',
      args: ['serve', configPath],
      logPath: join(directory, 'log'),
      readyTimeoutMs: 180_000,
      isReady: () => answers(`http://${address}/v2/`),
    }),
  )
  const resources = stack.move()
  return { address, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).body?.cancel()
    return true
  } catch {
    // It does not listen yet.
    return false
  }
}
