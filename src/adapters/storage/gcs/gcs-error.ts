import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'

/** An answer that is none of those a call expects. */
export class GcsAnswerError extends Error {
  /** The HTTP status, as the errors of Google's client have it. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.name = 'GcsAnswerError'
    this.code = code
  }
}

/** What a failed call to Google's API means to an operator; `doing` says which one it was. */
export function gcsError(error: unknown, doing: string): unknown {
  if (error instanceof OperatingError) return error
  const said = formatReason(error)
  return new OperatingError(codeOf(error, said), `${doing}: ${said}`, { cause: error })
}

/** The HTTP status that a call failed with, if it was answered. */
export function statusOf(error: unknown): number | undefined {
  const { code, status } = asFields(error)
  return [code, status].map(Number).find((each) => each >= 300 && each < 600)
}

/** Whether a 404 speaks of the bucket: of an object in it, it would just be absent. */
export function saysNoBucket(error: unknown): boolean {
  return statusOf(error) === 404 && /bucket.* (does not|doesn.t) exist/i.test(formatReason(error))
}

// What Node and its HTTP clients say of a network that fails.
const networkCode =
  /^(E(CONN|HOST|NET|AI_|PIPE|NOTFOUND|TIMEDOUT|PROTO|ADDRNOTAVAIL)|ERR_STREAM_PREMATURE_CLOSE|ERR_SOCKET|HPE_)/

function codeOf(error: unknown, said: string): OperatingCode {
  // The clock comes first: it is one of the reasons for which a login is refused. Google says "check
  // your iat and exp values" of a token that was signed too early or too late.
  if (/invalid_grant.*\b(iat|exp|expir)|TooSkewed/i.test(said)) return 'CLOCK_SKEW'
  if (/invalid_grant|default credentials/i.test(said)) return 'BUCKET_DENIED'
  const status = statusOf(error)
  if (status === 404) return 'BUCKET_MISSING'
  if (status === 403 && /rate.?limit|quota/i.test(said)) return 'STORAGE_BUSY'
  if (status === 401 || status === 403) return 'BUCKET_DENIED'
  // Bytes that have changed on their way.
  if (status === 400 && /md5|crc32c/i.test(said)) return 'STORAGE_BUSY'
  if (status === 408 || status === 429 || (status ?? 0) >= 500) return 'STORAGE_BUSY'
  const { code, name } = asFields(error)
  const isTimeout = name === 'TimeoutError' || name === 'AbortError'
  return isTimeout || networkCode.test(String(code)) ? 'STORAGE_BUSY' : 'STORAGE_FAILED'
}

// Enough for what Google says; whole pages come from proxies.
const mostCharacters = 400

/** In one line. Google's client puts long headings before a list of what was said. */
function formatReason(error: unknown): string {
  const { errors, message } = asFields(error)
  const listed = Array.isArray(errors) ? errors.map((each) => asFields(each)['message']) : []
  const texts = listed.filter((text) => typeof text === 'string' && text !== '')
  const said = texts.length > 0 ? [...new Set(texts)].join('; ') : message
  const line = String(said ?? error)
    .replace(/\s+/g, ' ')
    .trim()
  const status = statusOf(error)
  const shown = line === '' ? 'it did not say why' : line.slice(0, mostCharacters)
  return status === undefined ? shown : `${status} ${shown}`
}

function asFields(error: unknown): Record<string, unknown> {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
}
