import { describeError } from '#adapters/log/described-error.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import { operatingErrors } from '#engine/operating-error.ts'

export function ok(message: string): Finding {
  return { level: 'ok', message }
}

export function warn(message: string, mend: string): Finding {
  return { level: 'warn', message, mend }
}

export function fail(message: string, mend: string): Finding {
  return { level: 'fail', message, mend }
}

/** An error, and apart from it the advice that the log has at the end of the line. */
export function explain(error: unknown): Finding {
  const message = describeError(error)
  const advice = Object.values(operatingErrors)
    .map((each) => each.advice)
    .find((each) => message.endsWith(`; ${each}`))
  return advice === undefined
    ? { level: 'fail', message }
    : fail(message.slice(0, -`; ${advice}`.length), advice)
}
