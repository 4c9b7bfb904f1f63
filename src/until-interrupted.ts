import { isOutputLost } from './lost-output.ts'

/**
 * Aborts with the reason at the first Ctrl-C, so that the command ends in an orderly way; a second one
 * ends the process at once, because nobody listens any more.
 */
export function untilInterrupted(reason: Error): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => stopping.abort(reason))
  return stopping.signal
}

/** Of commands that Ctrl-C ended, as shells have it: 128 and the number of SIGINT. */
const interruptedExitCode = 130

/** The exit code of what runs, or that of an interruption. */
export async function unlessInterrupted(
  run: () => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!signal.aborted) throw error
    if (!isOutputLost()) process.stderr.write('nixery: interrupted\n')
    return interruptedExitCode
  }
}
