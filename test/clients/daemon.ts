import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { clientEnvironment, endWithParent } from './run-command.ts'

export type Daemon = AsyncDisposable & {
  readonly pid: number
  /** Its output so far. */
  readLog(): Promise<string>
}

export type DaemonPlan = {
  readonly command: string
  readonly args: readonly string[]
  /** Changes to this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  readonly logPath: string
  readonly readyTimeoutMs: number
  readonly stopSignal?: 'SIGTERM' | 'SIGKILL'
  /** True as soon as the daemon answers. */
  isReady(): Promise<boolean>
}

// Foreign daemons tell nobody when they are ready, so they are asked, as often as nobody notices.
const readyPollMs = 50

// dockerd takes up to 10 s to end its containers.
const stopTimeoutMs = 20_000

/** Starts a daemon, waits until it answers, and ends it when it is disposed of. */
export async function startDaemon(plan: DaemonPlan): Promise<Daemon> {
  const log = await open(plan.logPath, 'w')
  const { stopSignal = 'SIGTERM' } = plan
  const child = spawn('setpriv', endWithParent(stopSignal, plan.command, plan.args), {
    env: clientEnvironment(plan.env ?? {}),
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const spawned = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  try {
    await spawned
  } finally {
    await log.close()
  }
  const pid = child.pid!
  const daemon: Daemon = {
    pid,
    readLog: () => readFile(plan.logPath, 'utf8'),
    async [Symbol.asyncDispose]() {
      child.kill(stopSignal)
      const forced = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      await exited
      clearTimeout(forced)
    },
  }
  try {
    await waitUntilReady(plan, () => child.exitCode !== null || child.signalCode !== null)
  } catch (cause) {
    await daemon[Symbol.asyncDispose]()
    const lines = (await daemon.readLog()).trimEnd().split('\n').slice(-20)
    throw new Error(`${plan.command} does not become ready:\n${lines.join('\n')}`, { cause })
  }
  return daemon
}

async function waitUntilReady(plan: DaemonPlan, hasExited: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + plan.readyTimeoutMs
  while (!(await plan.isReady())) {
    if (hasExited()) throw new Error('it has ended')
    if (performance.now() > deadlineMs) throw new Error(`no answer in ${plan.readyTimeoutMs} ms`)
    await delay(readyPollMs)
  }
}
