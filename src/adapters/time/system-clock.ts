import type { Clock } from '#engine/ports/clock.ts'

/** The machine's monotonic clock. Waiting keeps no process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
