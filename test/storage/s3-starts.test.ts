import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { openS3Objects, type S3Options } from '#adapters/storage/s3/s3-objects.ts'
import { bucketAnswers, clockSkew } from './bucket-answers.ts'
import { withoutFaults, type FaultPlan } from './fault.ts'
import { s3EmulatorProgram } from './s3-emulator.ts'
import { readWhole, storeBlob } from './object-site.ts'
import {
  amazonAnswer,
  answerTo,
  firstFault,
  partBytes,
  startS3Site,
  type S3Site,
} from './s3-site.ts'

// A part and a copy.
const putsBeforeConditions = 2

const program = await s3EmulatorProgram()

suite('A start with S3', { skip: 'skip' in program && program.skip }, () => {
  let site: S3Site
  before(async () => (site = await startS3Site(program)))
  after(() => site[Symbol.asyncDispose]())

  const refuseStart = (bucket: string, changes: Partial<S3Options>, error: object) =>
    assert.rejects(openS3Objects(site.options(bucket, changes)), error)

  test('without the bucket fails', () =>
    refuseStart(
      'absent',
      {},
      { code: 'BUCKET_MISSING', message: /^s3:\/\/absent: .*NoSuchBucket/ },
    ))

  test('without a server fails', () =>
    refuseStart('images', { endpoint: 'http://127.0.0.1:1' }, { code: 'STORAGE_BUSY' }))

  test('over TLS where there is none fails in one line', () => {
    const endpoint = site.emulator.url.replace('http:', 'https:')
    return refuseStart(
      'images',
      { endpoint },
      { code: 'STORAGE_FAILED', message: /^s3:\/\/images: cannot list objects: .+$/ },
    )
  })

  test('on AWS without a region fails', () =>
    refuseStart(
      'images',
      { endpoint: undefined },
      { code: 'BUCKET_MISSING', message: /set NIXERY_S3_REGION/ },
    ))

  test('with wrong or no credentials fails', async (context) => {
    const bucket = await site.makeBucket()
    const { environment } = site.emulator
    context.after(() => Object.assign(process.env, environment))
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
    await refuseStart(bucket, {}, { code: 'BUCKET_LOGIN', message: /SignatureDoesNotMatch/ })
    for (const [name, said] of [
      ['nobody', /access key/i],
      ['no/body', /AuthorizationHeaderMalformed/],
    ] as const) {
      process.env['AWS_ACCESS_KEY_ID'] = name
      await refuseStart(bucket, {}, { code: 'BUCKET_LOGIN', message: said })
    }
    for (const name of Object.keys(environment)) delete process.env[name]
    await refuseStart(bucket, {}, { code: 'BUCKET_LOGIN', message: /Could not load credentials/ })
  })

  const refusals: readonly (readonly [string, FaultPlan, object])[] = [
    [
      'read-only',
      answerTo('PUT', bucketAnswers.s3.denied),
      { code: 'BUCKET_DENIED', message: /cannot store part 1/ },
    ],
    [
      'that may not be read',
      answerTo('HEAD', bucketAnswers.s3.denied),
      { code: 'BUCKET_DENIED', message: /cannot look for staging\/probe/ },
    ],
    [
      'that keeps everything',
      answerTo('DELETE', bucketAnswers.s3.denied),
      { code: 'BUCKET_DENIED', message: /cannot remove staging\/probe/ },
    ],
    ['of another time', answerTo('GET', clockSkew), { code: 'CLOCK_SKEW' }],
    [
      'of another region',
      answerTo(
        'GET',
        amazonAnswer(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-1' }),
      ),
      { code: 'BUCKET_MISSING', message: /in the region eu-west-1: set NIXERY_S3_REGION/ },
    ],
    ['that is full', answerTo('PUT', amazonAnswer(507, 'XMinioStorageFull')), { code: 'NO_SPACE' }],
    [
      'that knows no conditional writes',
      answerTo('PUT', amazonAnswer(501, 'NotImplemented'), putsBeforeConditions),
      { code: 'STORAGE_FAILED', message: /does not keep the first of two writes/ },
    ],
    [
      'that does not heed conditions',
      answerTo('PUT', { status: 200, headers: { ETag: '"x"' } }, putsBeforeConditions + 1),
      { code: 'STORAGE_FAILED', message: /does not keep the first of two writes/ },
    ],
  ]
  for (const [name, plan, error] of refusals)
    test(`with a bucket ${name} fails`, async (context) => {
      const bucket = await site.makeBucket()
      context.after(() => (site.proxy.plan = withoutFaults))
      site.proxy.plan = plan
      await refuseStart(bucket, { endpoint: site.proxy.url }, error)
    })

  test('with a server that is busy for a moment goes on', async (context) => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
      const bucket = await site.makeBucket()
      site.proxy.plan = firstFault(answerTo(method, bucketAnswers.s3.tooManyRequests))
      context.after(() => (site.proxy.plan = withoutFaults))
      await site.open(context, bucket, { endpoint: site.proxy.url })
    }
  })

  test('with a server that knows no CRC-32 goes on with MD5', async (context) => {
    const bucket = await site.makeBucket()
    context.after(() => (site.proxy.plan = withoutFaults))
    site.proxy.plan = firstFault(answerTo('PUT', amazonAnswer(501, 'NotImplemented')))
    const objects = await site.open(context, bucket, { endpoint: site.proxy.url })
    const bytes = randomBytes(partBytes + 1)
    await storeBlob(objects, 'layers/a', bytes)
    assert.deepEqual(await readWhole(objects, 'layers/a'), bytes)
  })
})
