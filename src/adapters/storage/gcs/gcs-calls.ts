import { abortable } from '#engine/abortable.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { retry, type RetryPace, type RetryTools } from '../spool/retry.ts'
import { gcsError } from './gcs-error.ts'

export interface GcsCallOptions {
  readonly bucket: string
  readonly retry?: RetryTools | undefined
  /** Of one try. */
  readonly timeoutMs?: number | undefined
}

/** How calls to Google's API are made: each bounded in time, and its failure an operating error. */
export interface GcsCalls {
  /** What was being done, with the bucket that it was done in. */
  describe(doing: string): string
  /** Tries once; for what the caller repeats itself. `timeoutMs` is for calls that take longer. */
  once<T>(doing: string, call: GcsCall<T>, signal: AbortSignal, timeoutMs?: number): Promise<T>
  /** Tries again while the bucket is busy. */
  persistently<T>(doing: string, call: GcsCall<T>, signal: AbortSignal): Promise<T>
}

type GcsCall<T> = (signal: AbortSignal) => Promise<T>

// An answer takes less than a second as a rule; a copy within the bucket some seconds.
const defaultTimeoutMs = 15_000

// With all its tries. A client waits for what a pull asks of the bucket, and some wait half a minute.
const patienceMs = 25_000

// Six seconds of waiting, as the client of S3 has it.
const pace: RetryPace = { mostTries: 6, firstDelayMs: 200 }

/**
 * Everything is repeated, writes too, because nothing that is done here twice does harm: names in
 * staging are nobody else's, an object is made on the condition that there is none, and what
 * replaces an object replaces itself.
 *
 * Google's own client repeats nothing here. Its tries cannot be aborted, do not end when their time is
 * up (no callback comes), and have no deadline for a server that stays silent.
 */
export function createGcsCalls(options: GcsCallOptions): GcsCalls {
  const tools = options.retry ?? { clock: systemClock, random: Math.random }
  const usualTimeoutMs = options.timeoutMs ?? defaultTimeoutMs

  const describe = (doing: string) => `gs://${options.bucket}: ${doing}`
  const once: GcsCalls['once'] = async (doing, call, signal, timeoutMs = usualTimeoutMs) => {
    // Google's client would send the request, and nobody would hear of it.
    signal.throwIfAborted()
    const deadline = AbortSignal.timeout(timeoutMs)
    const both = AbortSignal.any([signal, deadline])
    try {
      return await abortable(call(both), both)
    } catch (error) {
      signal.throwIfAborted()
      if (deadline.aborted) throw tooLate(describe(doing), timeoutMs, error)
      throw gcsError(error, describe(doing))
    }
  }
  return {
    describe,
    once,
    async persistently(doing, call, signal) {
      const deadline = AbortSignal.timeout(Math.max(patienceMs, usualTimeoutMs))
      const both = AbortSignal.any([signal, deadline])
      try {
        return await retry(() => once(doing, call, both), tools, both, pace)
      } catch (error) {
        signal.throwIfAborted()
        if (deadline.aborted) throw tooLate(describe(doing), patienceMs, error)
        throw error
      }
    },
  }
}

function tooLate(doing: string, timeoutMs: number, cause: unknown): OperatingError {
  const text = `${doing}: the bucket has not answered in ${timeoutMs / 1000} s`
  return new OperatingError('STORAGE_BUSY', text, { cause })
}
