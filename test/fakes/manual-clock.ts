import type { Clock } from '#engine/ports/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time forward and runs what falls due, in order. */
  advance(ms: number): void
}

/** A clock that stands still until a test moves it. */
export function createManualClock(): ManualClock {
  let now = 0
  let timers: Array<{ readonly due: number; readonly callback: () => void }> = []
  return {
    after(delayMs, callback) {
      const timer = { due: now + delayMs, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance(ms) {
      now += ms
      const due = timers.filter((timer) => timer.due <= now).sort((a, b) => a.due - b.due)
      timers = timers.filter((timer) => timer.due > now)
      for (const timer of due) timer.callback()
    },
  }
}
