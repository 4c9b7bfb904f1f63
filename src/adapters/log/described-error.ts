import { operatingErrors, OperatingError } from '#engine/operating-error.ts'

// A chain of causes that is longer says nothing new, and might be a ring.
const maxCauses = 5

/** An error as one line for the log: messages from the outside in, and for operators what to do. */
export function describeError(error: unknown): string {
  const messages: string[] = []
  let current: unknown = error
  while (current instanceof Error && messages.length < maxCauses) {
    messages.push(current.message)
    current = current.cause
  }
  const advice = error instanceof OperatingError ? `; ${operatingErrors[error.code].advice}` : ''
  const code = error instanceof OperatingError ? `${error.code}: ` : ''
  return messages.length === 0 ? String(error) : `${code}${messages.join(': ')}${advice}`
}
