import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import type { FaultAnswer, FaultPlan } from './fault.ts'
import { gcsEmulatorProgram } from './gcs-emulator.ts'
import { layerType, storeBlob } from './object-site.ts'
import { googleAnswer, never, startGcsSite } from './gcs-site.ts'

const program = await gcsEmulatorProgram()

describe(
  'a bucket of Google Cloud Storage',
  { skip: 'skip' in program && program.skip },
  async () => {
    if ('skip' in program) return
    const site = await startGcsSite(program.path)
    after(() => site[Symbol.asyncDispose]())

    test('that does not exist ends the start', async (context) => {
      await assert.rejects(
        site.open(context, 'nowhere-to-be-found'),
        isError('BUCKET_MISSING', /cannot write staging\/probe.*: 404 Not Found$/),
      )
    })

    const refusals: readonly (readonly [string, string, FaultAnswer, string, RegExp])[] = [
      [
        'that may not be written',
        'uploadType=multipart',
        googleAnswer(403, 'x@y does not have storage.objects.create access to it.', 'forbidden'),
        'BUCKET_DENIED',
        /cannot write staging\/probe-\S+: 403 x@y does not have storage\.objects\.create access/,
      ],
      [
        'that may not be read',
        'alt=media',
        googleAnswer(403, 'no storage.objects.get', 'forbidden'),
        'BUCKET_DENIED',
        /cannot read staging\/probe-\S+: 403 no storage/,
      ],
      [
        'that may not be listed',
        'prefix=staging',
        googleAnswer(403, 'no storage.objects.list', 'forbidden'),
        'BUCKET_DENIED',
        /cannot list staging: 403 no storage/,
      ],
      [
        'in which nothing may be removed',
        'DELETE',
        googleAnswer(403, 'no storage.objects.delete', 'forbidden'),
        'BUCKET_DENIED',
        /cannot remove staging\/probe-\S+: 403 no storage/,
      ],
      [
        'that wants another login',
        '',
        googleAnswer(401, 'Anonymous caller does not have access', 'required'),
        'BUCKET_LOGIN',
        /401 Anonymous caller/,
      ],
      ['that is too busy', '', googleAnswer(429, 'slow down'), 'STORAGE_BUSY', /429 slow down/],
      [
        'that a proxy stands before',
        '',
        { status: 502, body: '<html>\n<h1>Bad\nGateway</h1></html>' },
        'STORAGE_BUSY',
        /502 <html> <h1>Bad Gateway<\/h1><\/html>$/,
      ],
      [
        'that is no bucket',
        '',
        { status: 200, body: 'It works!' },
        'STORAGE_BUSY',
        /no answer of Google/,
      ],
    ]
    for (const [name, what, answer, code, message] of refusals)
      test(`${name} ends the start`, async (context) => {
        const open = site.openAtProxy(context, always(what, { kind: 'answer', answer }))
        await assert.rejects(open, isError(code, message))
      })

    test('that nobody listens for ends the start', async (context) => {
      const endpoint = 'http://127.0.0.1:9'
      const bucket = await site.makeBucket()
      await assert.rejects(
        site.open(context, bucket, { endpoint }),
        isError('STORAGE_BUSY', /ECONNREFUSED/),
      )
    })

    test('that never answers ends the start', async (context) => {
      const open = site.openAtProxy(context, always('', { kind: 'black-hole' }), { timeoutMs: 50 })
      await assert.rejects(open, isError('STORAGE_BUSY', /cannot write .*not answered in 0\.05 s/))
    })

    test('opens when the first tries fail', async (context) => {
      let failures = 3
      const plan: FaultPlan = () => {
        failures -= 1
        return failures < 0 ? undefined : { kind: 'reset', afterBytes: 0 }
      }
      await (await site.openAtProxy(context, plan)).close()
    })

    test('that goes away is missing, and its objects are not merely absent', async (context) => {
      const gone = googleAnswer(404, 'The specified bucket does not exist.', 'notFound')
      const plan = always('', { kind: 'answer', answer: gone })
      const [objects] = await site.openFaulty(context, plan)
      for (const call of [
        () => objects.stat('layers/a', never),
        () => objects.open('layers/a', undefined, never),
        () => objects.read('layers/a', 10, never),
        () => objects.move('layers/a', 'quarantine/a', never),
        () => objects.putFirst('builds/a', Buffer.of(1), layerType, never),
        () => Array.fromAsync(objects.list('layers', never)),
        () => storeBlob(objects, 'layers/a', Buffer.of(1)),
      ])
        await assert.rejects(call, isError('BUCKET_MISSING', /The specified bucket does not exist/))
    })

    test('calls end with their signal, whose reason they throw', async (context) => {
      const [objects] = await site.openFaulty(context, always('', { kind: 'black-hole' }))
      for (const call of [
        (signal: AbortSignal) => objects.stat('layers/a', signal),
        (signal: AbortSignal) => objects.read('layers/a', 10, signal),
        (signal: AbortSignal) => objects.put('builds/a', Buffer.of(1), layerType, signal),
        (signal: AbortSignal) => Array.fromAsync(objects.list('layers', signal)),
      ]) {
        const controller = new AbortController()
        const called = call(controller.signal)
        controller.abort(new Error('enough'))
        await assert.rejects(called, /^Error: enough$/)
      }
    })

    test('that speaks no TLS ends the start in one line', async (context) => {
      const bucket = await site.makeBucket()
      const endpoint = site.endpoint.replace('http:', 'https:')
      // Nor looks for a role of this machine.
      process.env['METADATA_SERVER_DETECTION'] = 'none'
      context.after(() => delete process.env['METADATA_SERVER_DETECTION'])
      await assert.rejects(
        site.open(context, bucket, { endpoint }),
        isError('STORAGE_FAILED', /^gs:\/\/\S+: cannot write staging\/probe-.+: write EPROTO .+$/),
      )
    })

    test('sweeps uploads that are older than a day by its own clock', async (context) => {
      const [objects] = await site.openFaulty(context, () => undefined)
      const nowMs = Date.parse('2030-01-01T00:00:00Z')
      const item = (name: string, ageHours: number) => ({
        name,
        size: '1',
        generation: '1',
        timeCreated: new Date(nowMs - ageHours * 3_600_000).toISOString(),
      })
      const answerWith = (value: object) =>
        ({
          kind: 'answer',
          answer: { status: 200, headers: json, body: JSON.stringify(value) },
        }) as const
      const json = { 'Content-Type': 'application/json' }
      site.proxy.plan = ({ method, path }) => {
        if (method === 'GET' && path.includes('uses%2Fclock'))
          return answerWith(item('uses/clock', 0))
        if (path.includes('pageToken=more'))
          return answerWith({ items: [item('staging/old/1', 999)] })
        if (!path.includes('prefix=staging')) return undefined
        return answerWith({
          items: [item('staging/young/0', 23), item('staging/old/0', 25)],
          nextPageToken: 'more',
        })
      }
      const before = site.proxy.requests.length
      assert.equal(await objects.sweepStaging(never), 2)
      const removed = site.proxy.requests.slice(before).filter(({ method }) => method === 'DELETE')
      assert.deepEqual(
        removed.map(({ path }) => decodeURIComponent(path.split('/').at(-1)!.split('?')[0]!)),
        ['staging/old/0', 'staging/old/1'],
      )
    })
  },
)

function always(what: string, fault: NonNullable<ReturnType<FaultPlan>>): FaultPlan {
  return ({ method, path }) => (method === what || path.includes(what) ? fault : undefined)
}

function isError(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof OperatingError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }
}
