import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import { formatFailure, isFileFailure, isNetworkFailure } from '../network-failure.ts'

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

// What is said where there is no login, or one of nobody: by Google's servers in the words of RFC 6749,
// section 5.2, and RFC 8693, and by Google's client. No answer of the bucket itself has any of it.
const failedLogin =
  /invalid_(grant|client|target|scope)|unauthorized_client|default credentials|access token|impersonat/i

function codeOf(error: unknown, said: string): OperatingCode {
  // The clock comes first: it is one of the reasons for which a login is refused. Google says "check
  // your iat and exp values" of a token that was signed too early or too late.
  if (/invalid_grant.*\b(iat|exp|expir)|TooSkewed/i.test(said)) return 'CLOCK_SKEW'
  const status = statusOf(error)
  if (isBusy(status)) return 'STORAGE_BUSY'
  if (failedLogin.test(said)) return 'BUCKET_LOGIN'
  if (status === 404) return 'BUCKET_MISSING'
  if (status === 403 && /rate.?limit|quota/i.test(said)) return 'STORAGE_BUSY'
  if (status === 401) return 'BUCKET_LOGIN'
  if (status === 403) return 'BUCKET_DENIED'
  // Bytes that have changed on their way.
  if (status === 400 && /md5|crc32c/i.test(said)) return 'STORAGE_BUSY'
  const { name } = asFields(error)
  if (name === 'TimeoutError' || name === 'AbortError' || isNetworkFailure(error))
    return 'STORAGE_BUSY'
  // Tokens of machines lie in files.
  return isFileFailure(error) ? 'BUCKET_LOGIN' : 'STORAGE_FAILED'
}

function isBusy(status: number | undefined): boolean {
  return status === 408 || status === 429 || (status ?? 0) >= 500
}

// Enough for what Google says; whole pages come from proxies.
const mostCharacters = 400

/** In one line. Google's client puts long headings before a list of what was said. */
function formatReason(error: unknown): string {
  const { errors } = asFields(error)
  const listed = Array.isArray(errors) ? errors.map((each) => asFields(each)['message']) : []
  const texts = listed.filter((text) => typeof text === 'string' && text !== '')
  const line = formatFailure(texts.length > 0 ? [...new Set(texts)].join('; ') : error)
  const status = statusOf(error)
  const shown = line === '' ? 'it did not say why' : line.slice(0, mostCharacters)
  return status === undefined ? shown : `${status} ${shown}`
}

function asFields(error: unknown): Record<string, unknown> {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
}
