/* oxlint-disable no-control-regex -- they are what a terminal obeys */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { clientEnvironment, endWithParent, runCommand } from '#test/clients/run-command.ts'
import type { CommandResult } from '#test/clients/run-command.ts'

const projectRoot = join(import.meta.dirname, '..', '..')

/** The program with its arguments, as a shell starts it. */
export const nixeryCommand: readonly string[] = [
  join(projectRoot, 'node_modules', '.bin', 'node'),
  join(projectRoot, 'src', 'main.ts'),
]

/** Runs the command line with settings of its own. */
export function runNixery(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  const [node = '', ...main] = nixeryCommand
  return runCommand(node, [...main, ...args], { env })
}

/** The same on a terminal of a size; gives all that the terminal was sent. */
export async function runOnTerminal(
  args: readonly string[],
  { columns, rows }: { readonly columns: number; readonly rows: number },
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly output: string; readonly exitCode: number }> {
  const line = [...nixeryCommand, ...args].map((word) => `'${word}'`).join(' ')
  const script = `stty cols ${columns} rows ${rows}; exec ${line}`
  const { stdout, exitCode } = await runCommand('script', ['-qfec', script, '/dev/null'], { env })
  return { output: stdout, exitCode }
}

/** Starts the command line, so that it can be sent signals in the middle of its work. */
export function startNixery(args: readonly string[], env: NodeJS.ProcessEnv) {
  const [node = '', ...main] = nixeryCommand
  const child = spawn('setpriv', endWithParent('SIGKILL', node, [...main, ...args]), {
    env: clientEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const waiters = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      for (const wake of waiters) wake()
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    interrupt: () => child.kill('SIGINT'),
    output: () => output,
    ended,
    /** Resolves when the output has the pattern; rejects when the program ends without it. */
    async saying(pattern: RegExp): Promise<void> {
      while (!pattern.test(output)) {
        const { promise, resolve } = Promise.withResolvers<void>()
        waiters.add(resolve)
        const end = await Promise.race([promise, ended.then((code) => ({ code }))])
        waiters.delete(resolve)
        if (end !== undefined && !pattern.test(output))
          throw new Error(`ended with ${end.code} before saying ${pattern}:\n${output}`)
      }
    },
  }
}

/** What a terminal shows in the end: lines that were written over are gone. */
export function finalScreen(output: string): readonly string[] {
  const lines: string[] = ['']
  let row = 0
  let column = 0
  const tokens = output.matchAll(/\u001B\[(\d*)([A-Za-z])|(\r)|(\n)|([^\u001B\r\n]+)/g)
  for (const [, count, command, carriage, lineEnd, text] of tokens) {
    if (command === 'A') row = Math.max(0, row - Number(count || 1))
    else if (command === 'K') lines[row] = (lines[row] ?? '').slice(0, column)
    else if (command === 'J') {
      lines[row] = (lines[row] ?? '').slice(0, column)
      lines.length = row + 1
    } else if (carriage) column = 0
    else if (lineEnd) {
      row += 1
      lines[row] ??= ''
    } else if (text !== undefined) {
      const before = (lines[row] ?? '').padEnd(column)
      lines[row] = before.slice(0, column) + text + before.slice(column + text.length)
      column += text.length
    }
  }
  return lines
}
