import { operatingErrors, OperatingError } from '#engine/operating-error.ts'

// A chain of causes that is longer says nothing new, and might be a ring.
const maxCauses = 5

/** An error as one line for the log: messages from the outside in, and for operators what to do. */
export function describeError(error: unknown): string {
  const messages: string[] = []
  let current: unknown = error
  for (let depth = 0; current instanceof Error && depth < maxCauses; depth += 1) {
    // An adapter's own message often ends with that of its cause.
    if (messages.at(-1)?.includes(current.message) !== true) messages.push(current.message)
    current = current.cause
  }
  const advice = error instanceof OperatingError ? `; ${operatingErrors[error.code].advice}` : ''
  const code = error instanceof OperatingError ? `${error.code}: ` : ''
  return messages.length === 0 ? String(error) : `${code}${messages.join(': ')}${advice}`
}
