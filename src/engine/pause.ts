import { abortable } from './abortable.ts'
import type { Clock } from './ports/clock.ts'

/** Waits for so long, or rejects with the reason of the signal. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(delayMs, resolve)
  try {
    await abortable(promise, signal)
  } finally {
    cancel()
  }
}
