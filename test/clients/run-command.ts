import { spawn } from 'node:child_process'
import { commandPath } from './availability.ts'

export type CommandResult = {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export type CommandOptions = {
  readonly timeoutMs?: number
  /** Changes to this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** Also shows the output as it comes, for commands that take minutes. */
  readonly echo?: boolean
}

/** A client that runs commands of its own: docker, ctr, podman, … */
export type Client = {
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
}

// A first pull builds its image, which takes minutes on a small machine, and longer on a busy one.
const defaultTimeoutMs = 900_000

// Far beyond what a client prints when it works; what comes after it is dropped.
const maxOutputBytes = 4 * 1024 * 1024

/**
 * Runs a command to its end. A failing command is a result; one that does not end in time throws, because
 * no test expects that.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { timeoutMs = defaultTimeoutMs, env = {}, echo = false }: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn('setpriv', endWithParent('SIGKILL', command, args), {
    env: clientEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const stdout = collectText(child.stdout)
  const stderr = collectText(child.stderr)
  if (echo) {
    child.stdout.pipe(process.stderr, { end: false })
    child.stderr.pipe(process.stderr, { end: false })
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.once('error', reject)
  child.once('close', (code, signal) => {
    if (signal === null) return resolve(code ?? 0)
    reject(new Error(`${formatCommand(command, args)} ended by ${signal}\n${stderr()}`))
  })
  const deadline = setTimeout(() => {
    reject(
      new Error(`${formatCommand(command, args)} took longer than ${timeoutMs} ms\n${stderr()}`),
    )
    // The group, because clients leave the work to children.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeoutMs)
  try {
    const exitCode = await promise
    return { stdout: stdout(), stderr: stderr(), exitCode }
  } finally {
    clearTimeout(deadline)
  }
}

/** Arguments of setpriv: the kernel ends `command` when this process dies without a chance to do so. */
export function endWithParent(
  signal: NodeJS.Signals,
  command: string,
  args: readonly string[],
): string[] {
  return ['--pdeathsig', signal, '--', command, ...args]
}

/** This process's environment with the daemons' folders, messages in English, and `changes`. */
export function clientEnvironment(changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...process.env, PATH: commandPath, LC_ALL: 'C.UTF-8', ...changes }
}

const maxShownCharacters = 2_000

/** The standard output of a command that has to succeed. */
export async function outputOf(
  client: Client,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const { stdout, stderr, exitCode } = await client.run(args, options)
  if (exitCode !== 0) {
    // The end says why; before it some clients draw their progress.
    const end = `${stdout}${stderr}`.slice(-maxShownCharacters)
    throw new Error(`${args.join(' ')} exits with ${exitCode}\n${end}`)
  }
  return stdout
}

function collectText(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => {
    if (sizeBytes < maxOutputBytes) chunks.push(chunk)
    sizeBytes += chunk.length
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

function formatCommand(command: string, args: readonly string[]): string {
  return [command, ...args].join(' ')
}
