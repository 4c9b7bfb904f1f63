import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import type { Daemon } from '#test/clients/daemon.ts'
import { runCommand } from '#test/clients/run-command.ts'
import type { CommandResult } from '#test/clients/run-command.ts'
import { makeDebianRoot, mustRun, outsideCertificates } from './debian-root.ts'

/** Debian 12 with Node and npm in a directory, and nothing else. */
export type BareMachine = AsyncDisposable & {
  readonly root: string
  /** Runs a shell script as `user` and shows its output as it comes. */
  run(script: string, options: RunOptions): Promise<CommandResult>
  /** Starts a shell script as root; all of it ends when the daemon is disposed of. */
  start(script: string, isReady: () => Promise<boolean>, timeoutMs: number): Promise<Daemon>
}

export type RunOptions = {
  readonly timeoutMs: number
  readonly user?: User
}

type User = 'root' | 'somebody'

/** The clone of the project on the machine, and the same for an ordinary user. */
export const projectOf = { root: '/root/nixery', somebody: '/home/somebody/nixery' } as const

const projectRoot = join(import.meta.dirname, '..', '..')
const enterMachine = join(import.meta.dirname, 'enter-machine.sh')
const somebodyId = 1000

export async function makeBareMachine(report: (line: string) => void): Promise<BareMachine> {
  await using stack = new AsyncDisposableStack()
  // Not below /tmp, which may be mounted without devices or programs, or in memory.
  const root = await mkdtemp('/var/tmp/nixery-machine-')
  stack.defer(() => rm(root, { recursive: true, force: true }))
  // mkdtemp keeps other users out, also those of the machine inside.
  await chmod(root, 0o755)
  report(`debootstrap into ${root}`)
  await makeDebianRoot(root)
  report('Node, npm and two clones of the project')
  await copyNode(root)
  await copyNetworkSettings(root)
  await cloneProject(root)
  const environment = await makeEnvironment()
  const enter = (script: string, user: User) => {
    const command = ['sh', '-c', `cd ${projectOf[user]} && ${script}`]
    const settings = ['--ignore-environment', ...environment, `HOME=${homeOf(user)}`]
    return [...namespaces, enterMachine, root, 'env', ...settings, ...identityOf(user), ...command]
  }
  const resources = stack.move()
  return {
    root,
    run: (script, { timeoutMs, user = 'root' }) =>
      runCommand('unshare', enter(script, user), { timeoutMs, echo: true }),
    start: (script, isReady, timeoutMs) =>
      startDaemon({
        command: 'unshare',
        args: enter(script, 'root'),
        logPath: join(root, 'root', 'log'),
        readyTimeoutMs: timeoutMs,
        isReady,
        // unshare ignores a SIGTERM, and its end is the end of everything in its namespaces.
        stopSignal: 'SIGKILL',
      }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

const namespaces = ['--mount', '--pid', '--fork', '--kill-child'] as const

function identityOf(user: User): string[] {
  if (user === 'root') return []
  return ['setpriv', `--reuid=${somebodyId}`, `--regid=${somebodyId}`, '--clear-groups']
}

function homeOf(user: User): string {
  return user === 'root' ? '/root' : '/home/somebody'
}

/** The machine's own Node and not the product's, because that is what a newcomer starts with. */
async function copyNode(root: string): Promise<void> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const node = folders
    .filter((folder) => !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'))
    .find(existsSync)
  if (node === undefined) throw new Error('there is no node in PATH but the project’s own')
  await copyFile(await realpath(node), join(root, 'usr/bin/node'))
  const npm = (await mustRun('npm', ['root', '--global'])).trim()
  await cp(join(npm, 'npm'), join(root, 'usr/lib/node_modules/npm'), { recursive: true })
  await mustRun('ln', [
    '--symbolic',
    '../lib/node_modules/npm/bin/npm-cli.js',
    join(root, 'usr/bin/npm'),
  ])
}

const certificatesPath = '/etc/outside-certificates.crt'

/** Without these the machine inside would not reach what this one reaches. */
async function copyNetworkSettings(root: string): Promise<void> {
  if (existsSync(outsideCertificates)) {
    await copyFile(outsideCertificates, join(root, certificatesPath))
  }
  for (const file of ['/etc/resolv.conf', '/etc/hosts']) {
    if (existsSync(file)) await copyFile(file, join(root, file))
  }
}

async function makeEnvironment(): Promise<string[]> {
  const registry = (await mustRun('npm', ['config', 'get', 'registry'])).trim()
  const proxies = ['http_proxy', 'https_proxy', 'no_proxy']
    .filter((name) => process.env[name] !== undefined)
    .map((name) => `${name}=${process.env[name]}`)
  return [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'CI=true',
    `npm_config_registry=${registry}`,
    `NODE_EXTRA_CA_CERTS=${certificatesPath}`,
    ...proxies,
  ]
}

/** What is committed, like a newcomer gets it. */
async function cloneProject(root: string): Promise<void> {
  for (const path of Object.values(projectOf)) {
    await mustRun('git', ['clone', '--quiet', '--no-hardlinks', projectRoot, join(root, path)])
  }
  await mkdir(join(root, '/home/somebody'), { recursive: true })
  await mustRun('chown', ['--recursive', String(somebodyId), join(root, '/home/somebody')])
}
