import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { clientEnvironment, endWithParent } from '#test/clients/run-command.ts'

/** One line of the service's log. */
export type LogLine = Readonly<Record<string, unknown>> & {
  readonly level: string
  readonly msg: string
}

export interface ProcessEnd {
  readonly exitCode: number | null
  readonly exitSignal: NodeJS.Signals | null
  readonly stderr: string
}

/** The service in a process of its own, which tests may end as they like. */
export interface RegistryProcess extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly pid: number
  readonly log: readonly LogLine[]
  readonly ended: Promise<ProcessEnd>
  kill(signal: NodeJS.Signals): Promise<ProcessEnd>
}

export interface StartOptions {
  readonly environment: Readonly<Record<string, string>>
  /** A command with arguments that runs the service in its own place, as setpriv does. */
  readonly wrapper?: readonly string[]
  /** How long it may take until it is ready, or refuses to start. */
  readonly readyTimeoutMs?: number
}

const projectRoot = join(import.meta.dirname, '..', '..')

// Generous: the machine may be busy with other tests.
const defaultReadyTimeoutMs = 180_000

/** Starts the service on a free port and waits until it says that it is ready. */
export async function startRegistry(options: StartOptions): Promise<RegistryProcess> {
  const { readyTimeoutMs = defaultReadyTimeoutMs } = options
  const service = spawnRegistry(options)
  const address = await Promise.race([
    service.port,
    service.ended.then((end) => Promise.reject(new Error(`it has ended: ${JSON.stringify(end)}`))),
    rejectAfter(readyTimeoutMs, service.ended),
  ]).catch(async (cause: unknown) => {
    await service.kill('SIGKILL')
    throw new Error('the service does not become ready', { cause })
  })
  return {
    ...service,
    url: `http://127.0.0.1:${address}`,
    async [Symbol.asyncDispose]() {
      await service.kill('SIGKILL')
    },
  }
}

/** Starts the service where it must refuse to start; waits for its end. */
export async function startRefused(options: StartOptions): Promise<ProcessEnd> {
  const { readyTimeoutMs = defaultReadyTimeoutMs } = options
  const service = spawnRegistry(options)
  const started = service.port.then(() => 'started' as const)
  const first = await Promise.race([
    service.ended,
    started,
    rejectAfter(readyTimeoutMs, service.ended),
  ]).catch(async (error: unknown) => {
    await service.kill('SIGKILL')
    throw error
  })
  if (first !== 'started') return first
  await service.kill('SIGKILL')
  throw new Error('the service starts')
}

/** Starts the service and kills it so much later, wherever in its start it may be. */
export async function startAndKill(options: StartOptions, killMs: number): Promise<void> {
  const service = spawnRegistry(options)
  await delay(killMs)
  await service.kill('SIGKILL')
}

/** Starts the service and waits for nothing. */
export function spawnRegistry({ environment, wrapper = [] }: StartOptions) {
  const node = join(projectRoot, 'node_modules', '.bin', 'node')
  const [command, ...args] = [...wrapper, node, join(projectRoot, 'src/main.ts'), 'serve']
  const child = spawn('setpriv', endWithParent('SIGKILL', command, args), {
    env: clientEnvironment({
      PORT: '0',
      NIXERY_HOST: '127.0.0.1',
      LOG_LEVEL: 'debug',
      ...environment,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const log: LogLine[] = []
  const ready = Promise.withResolvers<number>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const entry = JSON.parse(line) as LogLine
    log.push(entry)
    if (entry.msg.startsWith('ready')) ready.resolve(Number(entry['port']))
  })
  const stderr = text(child.stderr)
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode, exitSignal) => {
      void stderr.then((printed) => resolve({ exitCode, exitSignal, stderr: printed }))
    })
  })
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return { pid: child.pid!, port: ready.promise, log, ended, kill }
}

/** Rejects after a time, unless the process has ended before. */
function rejectAfter(timeoutMs: number, ended: Promise<ProcessEnd>): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`nothing in ${timeoutMs} ms`)), timeoutMs)
  timer.unref()
  void ended.then(() => clearTimeout(timer))
  return promise
}
