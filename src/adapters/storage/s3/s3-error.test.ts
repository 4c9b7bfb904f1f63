import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { isMissing, s3Error, statusOf } from './s3-error.ts'

/** As the SDK throws what a server has answered. */
function answered(name: string, httpStatusCode: number, more = {}): Error {
  return Object.assign(new Error('as the server says\n it'), {
    name,
    $metadata: { httpStatusCode },
    ...more,
  })
}

const systemError = (code: string) => Object.assign(new Error(`connect ${code}`), { code })

const elsewhere = (headers: object) => ({ $response: { headers } })

const cases: readonly (readonly [Error, string, string])[] = [
  [
    answered('NoSuchBucket', 404),
    'BUCKET_MISSING',
    'NoSuchBucket: as the server says it (HTTP 404)',
  ],
  [
    answered('AccessDenied', 403),
    'BUCKET_DENIED',
    'AccessDenied: as the server says it (HTTP 403)',
  ],
  [answered('Unauthorized', 401), 'BUCKET_LOGIN', 'Unauthorized: as the server says it (HTTP 401)'],
  [
    answered('InvalidAccessKeyId', 403),
    'BUCKET_LOGIN',
    'InvalidAccessKeyId: as the server says it (HTTP 403)',
  ],
  [answered('ExpiredToken', 400), 'BUCKET_LOGIN', 'ExpiredToken: as the server says it (HTTP 400)'],
  [
    answered('RequestTimeTooSkewed', 403),
    'CLOCK_SKEW',
    'RequestTimeTooSkewed: as the server says it (HTTP 403)',
  ],
  [answered('SlowDown', 503), 'STORAGE_BUSY', 'SlowDown: as the server says it (HTTP 503)'],
  [
    answered('TooManyRequests', 429),
    'STORAGE_BUSY',
    'TooManyRequests: as the server says it (HTTP 429)',
  ],
  [answered('BadGateway', 502), 'STORAGE_BUSY', 'BadGateway: as the server says it (HTTP 502)'],
  [
    answered('InternalError', 200),
    'STORAGE_BUSY',
    'InternalError: as the server says it (HTTP 200)',
  ],
  [
    answered('XMinioStorageFull', 507),
    'NO_SPACE',
    'XMinioStorageFull: as the server says it (HTTP 507)',
  ],
  [answered('QuotaExceeded', 403), 'NO_SPACE', 'QuotaExceeded: as the server says it (HTTP 403)'],
  [
    answered('NotImplemented', 501),
    'STORAGE_FAILED',
    'NotImplemented: as the server says it (HTTP 501)',
  ],
  [
    answered('InvalidRequest', 400),
    'STORAGE_FAILED',
    'InvalidRequest: as the server says it (HTTP 400)',
  ],
  [
    answered('PermanentRedirect', 301, elsewhere({ 'x-amz-bucket-region': 'eu-west-1' })),
    'BUCKET_MISSING',
    'the bucket is in the region eu-west-1: set NIXERY_S3_REGION',
  ],
  [
    answered('AuthorizationHeaderMalformed', 400, { Region: 'eu-north-1' }),
    'BUCKET_MISSING',
    'the bucket is in the region eu-north-1: set NIXERY_S3_REGION',
  ],
  [
    answered('AuthorizationHeaderMalformed', 400, { message: 'expecting KEY/DATE/REGION' }),
    'BUCKET_LOGIN',
    'AuthorizationHeaderMalformed: expecting KEY/DATE/REGION (HTTP 400)',
  ],
  [answered('301', 301), 'BUCKET_MISSING', 'the bucket is in another region: set NIXERY_S3_REGION'],
  [systemError('ECONNRESET'), 'STORAGE_BUSY', 'connect ECONNRESET'],
  [
    Object.assign(new Error('aborted'), { code: 'ECONNRESET' }),
    'STORAGE_BUSY',
    'ECONNRESET: aborted',
  ],
  [
    Object.assign(systemError('ECONNRESET'), { name: 'TimeoutError' }),
    'STORAGE_BUSY',
    'connect ECONNRESET',
  ],
  [
    Object.assign(systemError('EPROTO'), { message: 'SSL:wrong version\n' }),
    'STORAGE_FAILED',
    'EPROTO: SSL:wrong version',
  ],
  [Object.assign(systemError('ENOENT'), { path: '/token' }), 'BUCKET_LOGIN', 'connect ENOENT'],
  [
    Object.assign(new Error('found none'), { name: 'CredentialsProviderError' }),
    'BUCKET_LOGIN',
    'CredentialsProviderError: found none',
  ],
  [systemError('ENOTFOUND'), 'STORAGE_BUSY', 'connect ENOTFOUND'],
  [systemError('CERT_HAS_EXPIRED'), 'STORAGE_FAILED', 'connect CERT_HAS_EXPIRED'],
  [
    Object.assign(new AggregateError([systemError('ECONNREFUSED')]), { code: 'ECONNREFUSED' }),
    'STORAGE_BUSY',
    'connect ECONNREFUSED',
  ],
]

test('s3Error() gives each failure the code of what an operator must mend', () => {
  for (const [error, code, text] of cases) {
    const mapped = s3Error(error, 'cannot read layers/ab')
    assert.ok(mapped instanceof OperatingError, error.name)
    assert.deepEqual([mapped.code, mapped.message], [code, `cannot read layers/ab: ${text}`])
    assert.equal(mapped.cause, error)
  }
})

test('s3Error() leaves operating errors and mistakes as they are', () => {
  for (const error of [new OperatingError('NO_SPACE', 'full'), new TypeError('mistake'), 'text'])
    assert.equal(s3Error(error, 'cannot read layers/ab'), error)
})

test('isMissing() tells an absent object from an absent bucket', () => {
  assert.equal(isMissing(answered('NoSuchKey', 404)), true)
  assert.equal(isMissing(answered('NotFound', 404)), true)
  assert.equal(isMissing(s3Error(answered('NoSuchKey', 404), 'cannot read')), true)
  assert.equal(isMissing(s3Error(answered('NoSuchBucket', 404), 'cannot read')), false)
  assert.equal(isMissing(new Error('404')), false)
  assert.equal(statusOf(s3Error(answered('PreconditionFailed', 412), 'cannot write')), 412)
})
