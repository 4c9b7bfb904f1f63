import type { Logger } from 'pino'
import type { RequestLog } from '#engine/ports/request-log.ts'
import { describeError } from './described-error.ts'

/** Writes one line per request, and one per error that the operator must look at. */
export function logRequests(logger: Logger): RequestLog {
  return {
    request(facts) {
      if (logger.isLevelEnabled('info'))
        logger.info({ ...facts, durationMs: Math.round(facts.durationMs * 10) / 10 }, 'request')
    },
    failure: (error, { method, path }) =>
      logger.error(
        { method, path, error: describeError(error), stack: stackOf(error) },
        'request failed',
      ),
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined
}
