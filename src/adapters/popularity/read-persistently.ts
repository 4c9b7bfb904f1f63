import { setTimeout as delay } from 'node:timers/promises'
import { readAddress, type Reading, type ReadLimits } from './read-address.ts'

export interface Persistence extends ReadLimits {
  /** How long to wait before each further attempt. */
  readonly retryDelaysMs: readonly number[]
}

/** Reads an address, again and again while it fails for a reason that may pass by itself. */
export async function readPersistently(
  url: URL,
  persistence: Persistence,
  signal: AbortSignal,
): Promise<Reading> {
  let reading = await readAddress(url, persistence, signal)
  for (const delayMs of persistence.retryDelaysMs) {
    if (reading.kind !== 'failed') break
    await delay(delayMs, undefined, { signal })
    reading = await readAddress(url, persistence, signal)
  }
  return reading
}
