import { completionSyntax, commands, shells } from './commands.ts'
import { formatHelp, formatSlip, helpOption } from './command-syntax.ts'
import { formatCompletion } from './completion.ts'
import { readOptions } from './read-options.ts'
import type { Terminal } from './run-popularity.ts'

/** `nixery completion`; gives the exit code: 0, or 2 for a wrong command line. */
export function runCompletion(args: readonly string[], { stdout, stderr }: Terminal): 0 | 2 {
  const slip = (message: string) => {
    stderr.write(formatSlip(completionSyntax, message))
    return 2 as const
  }
  const read = readOptions(args, helpOption)
  if (read.kind === 'wrong') return slip(read.message)
  if (read.values.help) {
    stdout.write(formatHelp(completionSyntax))
    return 0
  }
  const [given, extra] = read.others
  const shell = shells.find((each) => each === given)
  if (given === undefined) return slip(`completion must be told which shell: ${shells.join(', ')}`)
  if (shell === undefined) return slip(`${given} must be ${shells.join(', ')}`)
  if (extra !== undefined) return slip(`${extra} is too much: one shell at a time`)
  stdout.write(formatCompletion(shell, commands))
  return 0
}
