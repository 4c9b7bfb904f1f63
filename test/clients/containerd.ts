import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from './daemon.ts'
import { runCommand } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

export const containerdCommands = ['containerd', 'ctr', 'runc'] as const

/** A containerd of the test's own, spoken to through `ctr`. */
export async function startContainerd(): Promise<Client & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const socket = join(directory, 'grpc.sock')
  const configPath = join(directory, 'config.toml')
  await writeFile(configPath, containerdConfig(directory, socket))
  const ctr: Client = {
    run: (args, options) => runCommand('ctr', ['--address', socket, ...args], options),
  }
  stack.use(
    await startDaemon({
      command: 'containerd',
      args: ['--config', configPath],
      logPath: join(directory, 'log'),
      readyTimeoutMs: 180_000,
      isReady: async () => (await ctr.run(['version'])).exitCode === 0,
    }),
  )
  const resources = stack.move()
  return { ...ctr, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

function containerdConfig(directory: string, socket: string): string {
  return [
    'version = 2',
    `root = "${join(directory, 'root')}"`,
    `state = "${join(directory, 'state')}"`,
    // The plug-in for Kubernetes looks for networks and services of the machine.
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `address = "${socket}"`,
    '[ttrpc]',
    `address = "${socket}.ttrpc"`,
    '',
  ].join('\n')
}
