import { failureStatuses } from '../src/apps/registry/failure-refusal.ts'
import { operatingErrors } from '../src/engine/operating-error.ts'
import { formatTable } from './markdown-table.ts'

/** Failures that a request caused. */
export function formatFailures(): string {
  return formatTable(
    ['failure', 'status', 'code', 'when'],
    Object.entries(failureStatuses).map(([kind, { status, code, when }]) => [
      `\`${kind}\``,
      String(status),
      `\`${code}\``,
      when,
    ]),
  )
}

/** What the operator must mend. */
export function formatOperatingErrors(): string {
  return formatTable(
    ['code', 'status', 'tried again', 'what the client reads', 'what to do'],
    Object.entries(operatingErrors).map(([code, { status, retryable, summary, advice }]) => [
      `\`${code}\``,
      String(status),
      retryable ? 'yes' : 'no',
      summary,
      advice,
    ]),
  )
}
