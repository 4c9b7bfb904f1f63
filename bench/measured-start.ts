import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { clientEnvironment } from '#test/clients/run-command.ts'
import type { Figure } from './figure.ts'
import { readTreeSeconds } from './process-usage.ts'

export interface StartPlan {
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly directory: string
  /** `127.0.0.1:PORT` that it is to listen on. */
  readonly address: string
}

// Short beside every start, long enough to leave it the cores.
const pollMs = 4

const mostMs = 60_000

/** Time from the start of a command to the first request that is served, and what was computed. */
export async function measureStart(plan: StartPlan): Promise<readonly Figure[]> {
  const [command = '', ...args] = plan.command
  const startedAtMs = performance.now()
  const child = spawn(command, args, {
    cwd: plan.directory,
    env: clientEnvironment(plan.env ?? {}),
    stdio: 'ignore',
    detached: true,
  })
  const ended = once(child, 'exit')
  const pid = child.pid!
  try {
    while (!(await isServing(plan.address))) {
      if (child.exitCode !== null || performance.now() - startedAtMs > mostMs)
        throw new Error(`${plan.command.join(' ')} does not serve`)
      await delay(pollMs)
    }
    const seconds = (performance.now() - startedAtMs) / 1000
    return [
      { name: 'ready', unit: 's', value: seconds },
      { name: 'processor time', unit: 's', value: await readTreeSeconds(pid) },
    ]
  } finally {
    process.kill(-pid, 'SIGTERM')
    await ended
  }
}

async function isServing(address: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const asking = get(`http://${address}/v2/`, { agent: false }, (response) => {
    response.resume()
    resolve(response.statusCode === 200)
  })
  // It does not listen yet.
  asking.once('error', () => resolve(false))
  return promise
}
