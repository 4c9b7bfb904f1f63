import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import { formatFailure, isFileFailure, isNetworkFailure } from '../network-failure.ts'

// By the code that the server gives (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html),
// or the name that the SDK gives to what fails on this side.
const codesByName = new Map<string, OperatingCode>([
  ['NoSuchBucket', 'BUCKET_MISSING'],
  ['InvalidBucketName', 'BUCKET_MISSING'],
  ['InvalidAccessKeyId', 'BUCKET_LOGIN'],
  // What versitygw says instead.
  ['XAdminUserNotFound', 'BUCKET_LOGIN'],
  ['SignatureDoesNotMatch', 'BUCKET_LOGIN'],
  ['InvalidSecurity', 'BUCKET_LOGIN'],
  ['AuthorizationHeaderMalformed', 'BUCKET_LOGIN'],
  ['ExpiredToken', 'BUCKET_LOGIN'],
  ['InvalidToken', 'BUCKET_LOGIN'],
  ['TokenRefreshRequired', 'BUCKET_LOGIN'],
  ['CredentialsProviderError', 'BUCKET_LOGIN'],
  ['TokenProviderError', 'BUCKET_LOGIN'],
  // What the service says that gives roles to machines.
  ['InvalidClientTokenId', 'BUCKET_LOGIN'],
  ['InvalidIdentityToken', 'BUCKET_LOGIN'],
  ['ExpiredTokenException', 'BUCKET_LOGIN'],
  ['RequestTimeTooSkewed', 'CLOCK_SKEW'],
  ['RequestExpired', 'CLOCK_SKEW'],
  ['XMinioStorageFull', 'NO_SPACE'],
  ['XMinioAdminBucketQuotaExceeded', 'NO_SPACE'],
  ['QuotaExceeded', 'NO_SPACE'],
  ['SlowDown', 'STORAGE_BUSY'],
  ['InternalError', 'STORAGE_BUSY'],
  ['RequestTimeout', 'STORAGE_BUSY'],
  ['TimeoutError', 'STORAGE_BUSY'],
])

// AWS says so when a bucket is elsewhere; which one it depends on how the request was signed.
const redirects: readonly string[] = [
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]

/** What the SDK puts on errors, as far as it is looked at here. */
interface S3Failure extends Error {
  readonly code?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number | undefined }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
  readonly Region?: unknown
}

/** A failed call of S3 as an operating error; what is none, such as a mistake here, passes through. */
export function s3Error(error: unknown, doing: string): unknown {
  if (error instanceof OperatingError || !(error instanceof Error)) return error
  const failure: S3Failure = error
  const code = codeOf(failure)
  if (code === undefined) return error
  return new OperatingError(code, `${doing}: ${describe(failure)}`, { cause: error })
}

/** Whether a call failed because the object, or the multipart upload, is not there. */
export function isMissing(error: unknown): boolean {
  return failureOf(error)?.name !== 'NoSuchBucket' && statusOf(error) === 404
}

/** The HTTP status of a failed call. */
export function statusOf(error: unknown): number | undefined {
  return failureOf(error)?.$metadata?.httpStatusCode
}

/** What the SDK has thrown, which operating errors have as their cause. */
function failureOf(error: unknown): S3Failure | undefined {
  const failure = error instanceof OperatingError ? error.cause : error
  return failure instanceof Error ? failure : undefined
}

function codeOf(failure: S3Failure): OperatingCode | undefined {
  if (isRedirect(failure)) return 'BUCKET_MISSING'
  const named = codesByName.get(failure.name)
  if (named !== undefined) return named
  const status = statusOf(failure)
  if (status === 401) return 'BUCKET_LOGIN'
  if (status === 403) return 'BUCKET_DENIED'
  if (status === 507) return 'NO_SPACE'
  // 501 says that the server cannot do it, which it will not learn.
  if (status === 429 || (status !== undefined && status >= 500 && status !== 501))
    return 'STORAGE_BUSY'
  if (isNetworkFailure(failure)) return 'STORAGE_BUSY'
  // Tokens of machines lie in files.
  if (isFileFailure(failure)) return 'BUCKET_LOGIN'
  // Other errors with a code come from the system or from TLS.
  return status !== undefined || typeof failure.code === 'string' ? 'STORAGE_FAILED' : undefined
}

function isRedirect(failure: S3Failure): boolean {
  const status = statusOf(failure)
  // Said of keys that no server could have given out, too.
  if (failure.name === 'AuthorizationHeaderMalformed' && !speaksOfRegion(failure)) return false
  return redirects.includes(failure.name) || status === 301 || status === 307
}

function speaksOfRegion({ Region, message }: S3Failure): boolean {
  return Region !== undefined || /the region/i.test(message)
}

function describe(failure: S3Failure): string {
  if (isRedirect(failure)) {
    const region = failure.$response?.headers?.['x-amz-bucket-region'] ?? failure.Region
    const where = typeof region === 'string' ? `in the region ${region}` : 'in another region'
    return `the bucket is ${where}: set NIXERY_S3_REGION`
  }
  const status = statusOf(failure)
  const [message, name] = [formatFailure(failure), nameOf(failure)]
  const text = name === undefined || message.includes(name) ? message : `${name}: ${message}`
  return status === undefined ? text : `${text} (HTTP ${status})`
}

/**
 * What the server or the SDK calls the failure; the system gives its errors only codes, and the SDK
 * calls what has such a code a timeout.
 */
function nameOf({ name, code }: S3Failure): string | undefined {
  if (typeof code === 'string') return code
  return name === 'Error' || name === 'AggregateError' ? undefined : name
}
