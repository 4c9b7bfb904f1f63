import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from './daemon.ts'
import { runCommand } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export const dockerdCommands = ['dockerd', 'docker', 'containerd', 'runc'] as const

/**
 * A Docker daemon of the test's own. It has no bridge and writes no firewall rule, because those belong
 * to the machine: containers run with `--network none`.
 */
export async function startDockerd(): Promise<
  Client & AsyncDisposable & { readonly host: string }
> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const host = `unix://${join(directory, 'docker.sock')}`
  const configPath = join(directory, 'daemon.json')
  const docker: Client = {
    run: (args, options = {}) =>
      runCommand('docker', ['--host', host, ...args], {
        ...options,
        // A person's own settings must not decide what a test sees.
        env: { DOCKER_CONFIG: join(directory, 'config'), ...options.env },
      }),
  }
  await mkdir(join(directory, 'config'))
  await writeFile(configPath, '{}')
  stack.use(
    await startDaemon({
      command: 'dockerd',
      args: [
        `--config-file=${configPath}`,
        `--data-root=${join(directory, 'data')}`,
        `--exec-root=${join(directory, 'exec')}`,
        `--pidfile=${join(directory, 'pid')}`,
        `--host=${host}`,
        '--bridge=none',
        '--iptables=false',
        '--ip6tables=false',
        '--ip-forward=false',
        '--insecure-registry=127.0.0.0/8',
      ],
      logPath: join(directory, 'log'),
      readyTimeoutMs: 180_000,
      isReady: async () => (await docker.run(['info'])).exitCode === 0,
    }),
  )
  const resources = stack.move()
  return { ...docker, host, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}
