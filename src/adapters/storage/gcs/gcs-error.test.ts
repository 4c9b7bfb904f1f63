import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { gcsError, saysNoBucket, statusOf } from './gcs-error.ts'

const failed = (code: number, message: string) => Object.assign(new Error(message), { code })

/** As Google's client and Node have them. */
const cases: readonly (readonly [string, object, string, string])[] = [
  [
    'a refused login because of the clock',
    {
      code: '400',
      status: 400,
      message:
        'invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a ' +
        'reasonable timeframe. Check your iat and exp values in the JWT claim.',
    },
    'CLOCK_SKEW',
    '400 invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
  ],
  [
    'a login of nobody',
    { status: 400, message: 'invalid_grant: Invalid grant: account not found' },
    'BUCKET_LOGIN',
    '400 invalid_grant: Invalid grant: account not found',
  ],
  [
    'no login',
    { message: 'Could not load the default credentials. Browse to …' },
    'BUCKET_LOGIN',
    'Could not load the default credentials. Browse to …',
  ],
  [
    'several reasons',
    {
      code: 403,
      message: 'Multiple errors occurred during the request.\n\n 1. a\n 2. b\n',
      errors: [{ message: 'a' }, { message: 'b' }, { message: 'a' }],
    },
    'BUCKET_DENIED',
    '403 a; b',
  ],
  ['a missing login', { code: 401, message: 'no' }, 'BUCKET_LOGIN', '401 no'],
  [
    'a machine without a role',
    { code: 404, message: 'Could not refresh access token: A Not Found error was returned' },
    'BUCKET_LOGIN',
    '404 Could not refresh access token: A Not Found error was returned',
  ],
  [
    'a token file that is gone',
    { code: 'ENOENT', path: '/token', message: 'The file at /token does not exist' },
    'BUCKET_LOGIN',
    'The file at /token does not exist',
  ],
  [
    'a server without TLS',
    { code: 'EPROTO', message: 'write EPROTO SSL:wrong version\n' },
    'STORAGE_FAILED',
    'write EPROTO SSL:wrong version',
  ],
  [
    'too many requests, in old words',
    { code: 403, message: 'User Rate Limit Exceeded' },
    'STORAGE_BUSY',
    '403 User Rate Limit Exceeded',
  ],
  ['too many requests', { code: 429, message: 'slow' }, 'STORAGE_BUSY', '429 slow'],
  ['a timeout of Google', { code: 408, message: '' }, 'STORAGE_BUSY', '408 it did not say why'],
  ['an outage', { code: 503, message: 'We encountered' }, 'STORAGE_BUSY', '503 We encountered'],
  [
    'bytes that have changed on their way',
    { code: 400, message: 'Provided MD5 hash "a" does not match calculated MD5 hash "b".' },
    'STORAGE_BUSY',
    '400 Provided MD5 hash "a" does not match calculated MD5 hash "b".',
  ],
  ['a reset', { code: 'ECONNRESET', message: 'aborted' }, 'STORAGE_BUSY', 'aborted'],
  ['no name', { code: 'EAI_AGAIN', message: 'getaddrinfo' }, 'STORAGE_BUSY', 'getaddrinfo'],
  [
    'an answer that ends early',
    { code: 'ERR_STREAM_PREMATURE_CLOSE', message: 'Premature close' },
    'STORAGE_BUSY',
    'Premature close',
  ],
  ['no time left', { name: 'TimeoutError', message: 'late' }, 'STORAGE_BUSY', 'late'],
  ['no bucket', { code: 404, message: 'Not Found' }, 'BUCKET_MISSING', '404 Not Found'],
  ['what it is not told', { code: 400, message: 'Bad' }, 'STORAGE_FAILED', '400 Bad'],
  ['a file that is gone', { code: 'ENOENT', message: 'gone' }, 'STORAGE_FAILED', 'gone'],
]
for (const [name, failure, code, said] of cases)
  test(`gcsError() of ${name} is ${code}`, () => {
    const error = gcsError(Object.assign(new Error(), failure), 'cannot read a')
    assert.ok(error instanceof OperatingError)
    assert.deepEqual([error.code, error.message], [code, `cannot read a: ${said}`])
  })

test('gcsError() leaves operating errors as they are', () => {
  const error = new OperatingError('NO_SPACE', 'full')
  assert.equal(gcsError(error, 'cannot'), error)
})

test('gcsError() keeps one short line of a long page', () => {
  const { message } = gcsError(failed(500, 'a\n'.repeat(10_000)), 'x') as Error
  assert.ok(message.length < 500 && !message.includes('\n'))
})

test('statusOf() and saysNoBucket() know a missing bucket from a missing object', () => {
  const bucket = failed(404, 'The specified bucket does not exist.')
  assert.equal(statusOf(bucket), 404)
  assert.equal(saysNoBucket(bucket), true)
  assert.equal(saysNoBucket(failed(404, 'No such object: images/layers/a')), false)
  assert.equal(saysNoBucket(failed(500, 'bucket does not exist')), false)
  assert.equal(statusOf(new Error('no answer')), undefined)
})
