import { operatingErrors, OperatingError } from '#engine/operating-error.ts'

// A chain of causes that is longer says nothing new, and might be a ring.
const maxCauses = 5

/** An error as one line for the log: messages from the outside in, and for operators what to do. */
export function describeError(thrown: unknown): string {
  const error = firstFailure(thrown)
  const messages: string[] = []
  let current: unknown = error
  for (let depth = 0; current instanceof Error && depth < maxCauses; depth += 1) {
    const { cause } = current
    const message = current.message.replaceAll(/\s+/g, ' ').trim() || nameOf(current)
    // An adapter's own message often ends with that of its cause, or of the cause's cause.
    const isSaid = messages.some((said) => said.includes(message))
    // What Node's fetch says of every failure; the cause is the failure.
    const isEmpty = message === 'fetch failed' && cause instanceof Error
    if (!isSaid && !isEmpty) messages.push(message)
    current = cause
  }
  const advice = error instanceof OperatingError ? `; ${operatingErrors[error.code].advice}` : ''
  const code = error instanceof OperatingError ? `${error.code}: ` : ''
  return messages.length === 0 ? String(error) : `${code}${messages.join(': ')}${advice}`
}

/** What had failed before `await using` could not clean up, which is no more than its consequence. */
function firstFailure(error: unknown): unknown {
  return error instanceof SuppressedError ? firstFailure(error.suppressed) : error
}

/** Of an error without words, as Node has for an address of which no connection could be made. */
function nameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
