// As long as Node can wait in one go.
const longestDelayMs = 2 ** 31 - 1

/**
 * Keeps the process there until the work ends. Waiting for a clock does not, so a command that only
 * waits, for a notice of another one or for its next attempt, would end in its middle.
 */
export async function stayAlive<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, longestDelayMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}
