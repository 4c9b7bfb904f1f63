let isLost = false

/** Whether nobody takes the output any more: the process is ending, and all that can be said is said. */
export function isOutputLost(): boolean {
  return isLost
}

/**
 * Has the process end in order when nobody takes its output any more, as in `nixery build --json | head -1`,
 * or when its disk is full: what was not read is no success.
 */
export function endWithOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', end)
}

function end(error: Error): void {
  // The first one says it.
  if (isLost) return
  isLost = true
  if (!('code' in error && error.code === 'EPIPE'))
    process.stderr.write(`nixery: the output cannot be written: ${error.message}\n`)
  process.once('exit', () => (process.exitCode = 1))
  // Heard by commands that have something to end.
  process.emit('SIGTERM')
}
