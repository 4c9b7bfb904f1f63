import type { Clock } from '#engine/ports/clock.ts'

// Node keeps delays in 32 bits, and takes a longer one (24.8 days) for one millisecond.
const longestDelayMs = 2 ** 31 - 1

/** The machine's time. Waiting keeps no process alive. */
export const systemClock: Clock = {
  after(delayMs, callback) {
    let timer: NodeJS.Timeout
    const wait = (restMs: number): void => {
      const partMs = Math.min(restMs, longestDelayMs)
      timer = setTimeout(() => (restMs > partMs ? wait(restMs - partMs) : callback()), partMs)
      timer.unref()
    }
    wait(delayMs)
    return () => clearTimeout(timer)
  },
}
