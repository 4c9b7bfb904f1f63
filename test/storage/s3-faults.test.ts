import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { defaultLimits } from '#adapters/storage/s3/s3-bucket.ts'
import { bucketAnswers } from './bucket-answers.ts'
import { withoutFaults, type FaultPlan, type ProxiedRequest } from './fault.ts'
import { s3EmulatorProgram } from './s3-emulator.ts'
import { layerType, readWhole, storeBlob } from './object-site.ts'
import { answerTo, firstFault, partBytes, startS3Site, type S3Site } from './s3-site.ts'

const program = await s3EmulatorProgram()
const signal = new AbortController().signal

suite('An S3 server in trouble', { skip: 'skip' in program && program.skip }, () => {
  let site: S3Site
  before(async () => (site = await startS3Site(program)))
  after(() => site[Symbol.asyncDispose]())

  test('is asked again', async (context) => {
    let faults = 0
    const slow = bucketAnswers.s3.tooManyRequests
    const [objects] = await site.openFaulty(context, () => {
      faults += 1
      return faults % 3 === 0 ? undefined : { kind: 'answer', answer: slow }
    })
    await objects.put('uses/a', new Uint8Array(), layerType, signal)
    assert.ok(await objects.stat('uses/a', signal))
    assert.equal(faults, 6)
  })

  test('is asked again for an object whose bytes do not arrive, a few times', async (context) => {
    let cuts = 2
    const [objects] = await site.openFaulty(context, ({ method }) =>
      method === 'GET' && (cuts -= 1) >= 0 ? { kind: 'truncate', afterBytes: 3 } : undefined,
    )
    await objects.put('builds/a', Buffer.from('hello'), layerType, signal)
    assert.equal(String(await objects.read('builds/a', 100, signal)), 'hello')
    cuts = 3
    await assert.rejects(objects.read('builds/a', 100, signal), { code: 'STORAGE_BUSY' })
  })

  test('is left alone after some tries', async (context) => {
    const slow = bucketAnswers.s3.tooManyRequests
    const [objects] = await site.openFaulty(context, () => ({ kind: 'answer', answer: slow }))
    await assert.rejects(Array.fromAsync(objects.list('uses', signal)), { code: 'STORAGE_BUSY' })
  })

  test('that says nothing is not waited for', async (context) => {
    const limits = { ...defaultLimits }
    const [objects] = await site.openFaulty(context, () => ({ kind: 'black-hole' }), { limits })
    // Not before the bucket is open: a server that answers may need longer on a busy machine.
    Object.assign(limits, { small: { tryMs: 100, totalMs: 300 }, stallMs: 100 })
    await assert.rejects(objects.stat('uses/a', signal), { code: 'STORAGE_BUSY' })
    const leaving = AbortSignal.timeout(20)
    await assert.rejects(objects.stat('uses/a', leaving), { name: 'TimeoutError' })
  })

  const breaks: readonly (readonly [string, FaultPlan])[] = [
    [
      'resets a part in its middle',
      firstFault((request) =>
        isPart(request) ? { kind: 'reset', afterBytes: 1_000_000 } : undefined,
      ),
    ],
    [
      'refuses a part for a while',
      firstFault((request) =>
        isPart(request) ? { kind: 'answer', answer: bucketAnswers.s3.tooManyRequests } : undefined,
      ),
    ],
    [
      'loses the answer to a part',
      firstFault((request) => (isPart(request) ? { kind: 'lose-answer' } : undefined)),
    ],
    [
      'loses the answer to the beginning',
      firstFault(({ path }) => (/[?&]uploads/.test(path) ? { kind: 'lose-answer' } : undefined)),
    ],
    [
      'loses the answer to the completion',
      firstFault(({ method, path }) =>
        method === 'POST' && path.includes('uploadId=') ? { kind: 'lose-answer' } : undefined,
      ),
    ],
    [
      'loses the answer to the copy',
      firstFault(({ method, path }) =>
        method === 'PUT' && path.includes('/layers/') ? { kind: 'lose-answer' } : undefined,
      ),
    ],
    [
      'loses the answer to the removal',
      firstFault(({ method }) => (method === 'DELETE' ? { kind: 'lose-answer' } : undefined)),
    ],
  ]
  for (const [name, plan] of breaks)
    test(`that ${name} gets the whole blob in the end`, async (context) => {
      const faults = site.proxy.faults.length
      const [objects] = await site.openFaulty(context, plan)
      const bytes = randomBytes(2 * partBytes + 1)
      await storeBlob(objects, 'layers/large', bytes)
      assert.equal(site.proxy.faults.length, faults + 1, 'the fault has happened')
      assert.deepEqual(await readWhole(objects, 'layers/large'), bytes)
      assert.deepEqual(await Array.fromAsync(objects.list('staging', signal)), [])
    })

  test('that loses the answer to a small blob has it all the same', async (context) => {
    const [objects] = await site.openFaulty(
      context,
      firstFault(({ method }) => (method === 'PUT' ? { kind: 'lose-answer' } : undefined)),
    )
    await storeBlob(objects, 'layers/small', Buffer.from('hello world'))
    assert.equal((await readWhole(objects, 'layers/small')).toString(), 'hello world')
  })

  test('that copies slowly does not lose what is written meanwhile under the old key', async (context) => {
    const bucket = await site.makeBucket()
    const other = await site.open(context, bucket)
    await other.put('layers/a', Buffer.from('damaged'), layerType, signal)
    let mended: Promise<void> | undefined
    const objects = await site.open(context, bucket, { endpoint: site.proxy.url })
    site.proxy.plan = ({ method, path }) => {
      if (method !== 'PUT' || !path.includes('/quarantine/')) return undefined
      mended = other.put('layers/a', Buffer.from('mended'), layerType, signal)
      return { kind: 'hold', until: mended }
    }
    context.after(() => (site.proxy.plan = withoutFaults))
    assert.equal(await objects.move('layers/a', 'quarantine/a', signal), true)
    await mended
    assert.equal((await readWhole(other, 'layers/a')).toString(), 'mended')
    site.proxy.plan = withoutFaults
    assert.equal(await objects.move('layers/a', 'quarantine/a', signal), true)
    assert.equal(await other.stat('layers/a', signal), undefined)
  })

  test('that stays in trouble gets nothing visible', async (context) => {
    const slow = bucketAnswers.s3.tooManyRequests
    const [objects, bucket] = await site.openFaulty(context, (request) =>
      isPart(request) ? { kind: 'answer', answer: slow } : undefined,
    )
    await assert.rejects(storeBlob(objects, 'layers/large', randomBytes(2 * partBytes)), {
      code: 'STORAGE_BUSY',
    })
    assert.equal(await objects.stat('layers/large', signal), undefined)
    assert.deepEqual(await site.findLeftovers(bucket), [])
  })

  test('that gives the whole for a part fails the download before a byte is wrong', async (context) => {
    const [objects] = await site.openFaulty(context, ({ range }) =>
      range === undefined
        ? undefined
        : { kind: 'answer', answer: { status: 200, body: 'hello world' } },
    )
    await storeBlob(objects, 'layers/a', Buffer.from('hello world'))
    await assert.rejects(objects.open('layers/a', { start: 6, end: 10 }, signal), {
      code: 'STORAGE_FAILED',
      message: /the server knows no ranges/,
    })
  })

  test('that ends a download in its middle fails it', async (context) => {
    const [objects] = await site.openFaulty(context, ({ method }) =>
      method === 'GET' ? { kind: 'truncate', afterBytes: 1000 } : undefined,
    )
    await storeBlob(objects, 'layers/a', randomBytes(100_000))
    const stream = await objects.open('layers/a', undefined, signal)
    await assert.rejects(buffer(stream!), {
      code: 'STORAGE_BUSY',
      message: /cannot read layers\/a/,
    })
    await assert.rejects(objects.read('layers/a', 200_000, signal), { code: 'STORAGE_BUSY' })
  })

  test('may refuse what it has allowed before', async (context) => {
    const [objects] = await site.openFaulty(context, answerTo('PUT', bucketAnswers.s3.denied))
    await assert.rejects(storeBlob(objects, 'layers/a', Buffer.from('x')), {
      code: 'BUCKET_DENIED',
    })
    await assert.rejects(objects.touch('uses/a', signal), { code: 'BUCKET_DENIED' })
  })
})

function isPart({ path }: ProxiedRequest): boolean {
  return path.includes('partNumber=')
}
