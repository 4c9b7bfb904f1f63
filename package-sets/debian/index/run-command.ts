import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface CommandResult {
  readonly exitCode: number
  readonly output: string
  readonly errors: string
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly directory?: string
}

/** Kept of each stream: apt's complaints fit, a runaway does not fill the memory. */
const keptCharacters = 1_000_000

/** Runs a program to its end; rejects when it cannot be started or the signal is aborted. */
export async function runCommand(
  program: string,
  parameters: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  signal.throwIfAborted()
  const child = spawn(program, [...parameters], {
    cwd: options.directory,
    env: { ...process.env, ...options.environment, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(0, keptCharacters)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(0, keptCharacters)
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode: exitCode ?? -1, output, errors }
}
