import { abortable } from '#engine/abortable.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Clock } from '#engine/ports/clock.ts'

export interface RetryTools {
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
}

/** How often something is tried, and how long before the second time; every further wait is twice as long. */
export interface RetryPace {
  readonly mostTries: number
  readonly firstDelayMs: number
}

// Waits 63 s at the most, which outlasts the usual hiccup of a bucket.
const uploadPace: RetryPace = { mostTries: 7, firstDelayMs: 1000 }

// A build waits meanwhile, and so does its client. Counted from the first failure: a try that took
// long and failed at its end deserves another one.
const patienceMs = 2 * 60 * 1000

/**
 * Does `work` again while the storage is busy (`STORAGE_BUSY`), ever more rarely; every other
 * failure, and the last one, is thrown. An aborted signal ends the waiting; `work` watches it itself.
 */
export async function retry<T>(
  work: () => Promise<T>,
  { clock, random }: RetryTools,
  signal: AbortSignal,
  { mostTries, firstDelayMs }: RetryPace = uploadPace,
): Promise<T> {
  let isLate = false
  let forget: (() => void) | undefined
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work()
      } catch (error) {
        signal.throwIfAborted()
        if (!isBusy(error) || tries === mostTries || isLate) throw error
      }
      forget ??= clock.after(patienceMs, () => (isLate = true))
      // Half of it is random, so that those who failed together do not come back together.
      await wait(clock, firstDelayMs * 2 ** (tries - 1) * (0.5 + random() / 2), signal)
    }
  } finally {
    forget?.()
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof OperatingError && error.code === 'STORAGE_BUSY'
}

async function wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(delayMs, resolve)
  // The system's clock keeps no process alive, and a command may have nothing else to wait for.
  const keepAlive = setInterval(() => undefined, delayMs)
  try {
    await abortable(promise, signal)
  } finally {
    clearInterval(keepAlive)
    cancel()
  }
}
