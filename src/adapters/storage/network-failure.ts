// What Node and its HTTP clients say of a network that fails. What TLS and HTTP say of a server that
// speaks something else is none of it: that does not pass.
const networkCodes: readonly unknown[] = [
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ERR_SOCKET_CLOSED',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
  // An answer that ends within its head.
  'HPE_INVALID_EOF_STATE',
]

const brokenCodes: readonly unknown[] = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']

/** Whether a call failed on its way, not at the server. */
export function isNetworkFailure(error: unknown): boolean {
  return networkCodes.includes(codeOf(error))
}

/**
 * Whether a connection broke, also as the cause of `error`. A server that refuses a body may answer
 * and close before it has read it; a client that still sends then hears of the connection, and
 * never of the refusal.
 */
export function isBrokenConnection(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause)
    if (brokenCodes.includes(codeOf(each))) return true
  return false
}

/** Whether a file could not be read: with buckets, one of credentials. */
export function isFileFailure(error: unknown): boolean {
  return error instanceof Error && 'path' in error && typeof codeOf(error) === 'string'
}

/** What a failure says in one line; a name with several addresses fails with an error per address. */
export function formatFailure(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : []
  const said = first instanceof Error ? first : error
  const text = said instanceof Error ? said.message : String(said)
  return text.replaceAll(/\s+/g, ' ').trim()
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
