import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Fault, FaultPlan, ProxiedRequest } from './fault.ts'
import { gcsEmulatorProgram } from './gcs-emulator.ts'
import { layerType, readWhole, storeBlob } from './object-site.ts'
import { googleAnswer, never, partBytes, startGcsSite } from './gcs-site.ts'

const program = await gcsEmulatorProgram()
const key = 'layers/blob'

describe(
  'uploads to Google Cloud Storage',
  { skip: 'skip' in program && program.skip },
  async () => {
    if ('skip' in program) return
    const site = await startGcsSite(program.path)
    after(() => site[Symbol.asyncDispose]())

    for (const count of [1, 2, 32, 33, 70])
      test(`a blob of ${count} parts is one object with its type, and nothing else`, async (context) => {
        const bucket = await site.makeBucket()
        const objects = await site.open(context, bucket)
        const bytes = randomBytes(partBytes * count - 7)
        await storeBlob(objects, key, bytes)
        assert.ok((await readWhole(objects, key)).equals(bytes))
        assert.deepEqual(await site.listAll(bucket), [key])
        const { contentType, size } = await site.describe(bucket, key)
        assert.deepEqual([contentType, size], [layerType, String(bytes.length)])
      })

    test('an empty blob is an object', async (context) => {
      const objects = await site.open(context, await site.makeBucket())
      await storeBlob(objects, key, new Uint8Array())
      assert.deepEqual((await objects.stat(key, never))?.sizeBytes, 0)
      assert.equal((await readWhole(objects, key)).length, 0)
    })

    test('nothing of a dropped upload stays, and nothing is visible before its end', async (context) => {
      const bucket = await site.makeBucket()
      const objects = await site.open(context, bucket)
      const upload = await objects.upload(layerType, never)
      await upload.write(randomBytes(partBytes * 9))
      await allStored(bucket, 8)
      for (const name of await site.listAll(bucket)) assert.match(name, /^staging\//)
      await upload.discard()
      assert.deepEqual(await site.listAll(bucket), [])
    })

    test('of two writers at once both succeed, and the blob is whole', async (context) => {
      const bucket = await site.makeBucket()
      const views = [await site.open(context, bucket), await site.open(context, bucket)]
      for (const bytes of [randomBytes(100), randomBytes(partBytes * 3)]) {
        const name = `layers/${bytes.length}`
        await Promise.all(views.map((objects) => storeBlob(objects, name, bytes)))
        for (const objects of views) assert.ok((await readWhole(objects, name)).equals(bytes))
      }
    })

    const large = randomBytes(8 * 1024 * 1024)
    const inOneRequest = { partBytes: 2 * large.length }

    test('a large blob that is stored is not sent again', async (context) => {
      const [objects] = await site.openFaulty(context, () => undefined, inOneRequest)
      await storeBlob(objects, key, large)
      const before = site.proxy.requests.length
      await storeBlob(objects, key, large)
      assert.deepEqual(
        site.proxy.requests.slice(before).map(({ method }) => method),
        ['GET'],
      )
    })

    test('of a blob in one request by two writers, who begin at any time, both succeed', async (context) => {
      const bucket = await site.makeBucket()
      const views = [
        await site.open(context, bucket, inOneRequest),
        await site.open(context, bucket, inOneRequest),
      ] as const
      for (let round = 0; round < 20; round += 1) {
        const name = `layers/${round}`
        const first = storeBlob(views[0], name, large)
        // As many answers to the first writer as pass meanwhile make the second one late.
        for (let turns = 0; turns < round % 10; turns += 1) await views[1].stat('layers/x', never)
        await Promise.all([first, storeBlob(views[1], name, large)])
        assert.equal((await views[1].stat(name, never))?.sizeBytes, large.length)
      }
    })

    test('a refusal that is lost with its connection is looked for', async (context) => {
      const [objects] = await site.openFaulty(context, () => undefined, inOneRequest)
      for (const blob of [Buffer.alloc(1000), large]) {
        const name = `layers/${blob.length}`
        let sent = 0
        site.proxy.plan = ({ method }) => {
          if (method !== 'POST') return undefined
          sent += 1
          return { kind: 'lose-answer' }
        }
        await storeBlob(objects, name, blob)
        assert.equal(await objects.putFirst(name, blob.subarray(0, 10), layerType, never), false)
        // One of the blob, and all that the bucket may be asked for a small object.
        assert.equal(sent, 1 + 6)
      }
    })

    const bytes = randomBytes(partBytes * 3)

    test('an object of the right size is left alone, one of another size is replaced', async (context) => {
      const [objects, bucket] = await site.openFaulty(context, () => undefined)
      for (const blob of [bytes.subarray(0, 100), bytes]) {
        await objects.put(key, blob.subarray(1), layerType, never)
        // The emulator joins parts whatever is there; Google refuses what the address forbids.
        const refusal = answer(412, 'conditionNotMet')
        site.proxy.plan = onFirst('/compose?ifGenerationMatch=0', refusal)
        await storeBlob(objects, key, blob)
        assert.ok((await readWhole(objects, key)).equals(blob))
        const { generation } = await site.describe(bucket, key)
        site.proxy.plan = onFirst('/compose?ifGenerationMatch=0', refusal)
        await storeBlob(objects, key, blob)
        assert.equal((await site.describe(bucket, key))['generation'], generation)
      }
    })

    const faults: readonly (readonly [string, FaultPlan])[] = [
      ['a part that is cut off', onFirst('PUT', { kind: 'cut', afterBytes: partBytes / 2 })],
      ['a part that is reset', onFirst('PUT', { kind: 'reset', afterBytes: 1000 })],
      ['a part whose answer is lost', onFirst('PUT', { kind: 'lose-answer' })],
      ['a part that is not taken', onFirst('PUT', answer(503, 'Backend Error'))],
      ['an upload that cannot begin', onFirst('uploadType=resumable', answer(429, 'slow down'))],
      [
        'an upload whose beginning is lost',
        onFirst('uploadType=resumable', { kind: 'lose-answer' }),
      ],
      ['parts that cannot be joined', onFirst('/compose', answer(500, 'Internal Error'))],
      ['parts that are joined unheard', onFirst('/compose', { kind: 'lose-answer' })],
    ]
    for (const [name, plan] of faults)
      test(`an upload survives ${name}`, async (context) => {
        const [objects, bucket] = await site.openFaulty(context, plan)
        await storeBlob(objects, key, bytes)
        assert.ok((await readWhole(objects, key)).equals(bytes))
        assert.deepEqual(await site.listAll(bucket), [key])
      })

    for (const kind of ['cut', 'lose-answer'] as const)
      test(`a blob in one request survives ${kind}`, async (context) => {
        const fault: Fault = kind === 'cut' ? { kind, afterBytes: 300 } : { kind }
        const [objects] = await site.openFaulty(context, onFirst('uploadType=multipart', fault))
        await storeBlob(objects, key, bytes.subarray(0, 1000))
        assert.ok((await readWhole(objects, key)).equals(bytes.subarray(0, 1000)))
      })

    test('an interrupted part goes on from what the bucket has', async (context) => {
      // The emulator forgets what it got of a request that broke off; this one has kept a half.
      const halfBytes = partBytes / 2
      const range = { Range: `bytes=0-${halfBytes - 1}` }
      const plan = inOrder('PUT', [
        { kind: 'answer', answer: { status: 503 } },
        { kind: 'answer', answer: { status: 308, headers: range } },
        { kind: 'answer', answer: { status: 200, body: '{"generation":"1","size":"65536"}' } },
      ])
      const [objects] = await site.openFaulty(context, plan)
      const before = site.proxy.requests.length
      const upload = await objects.upload(layerType, never)
      // One byte more than a part, so that the part is sent.
      await upload.write(bytes.subarray(0, partBytes + 1))
      const sizes = await eventually('three requests', () => {
        const puts = site.proxy.requests.slice(before).filter(({ method }) => method === 'PUT')
        return puts.length === 3 ? puts.map(({ bodyBytes }) => bodyBytes) : undefined
      })
      assert.deepEqual(sizes, [partBytes, 0, halfBytes])
      await upload.discard()
    })

    test('the bucket is told the digest of what it should get', async (context) => {
      const bucket = await site.makeBucket()
      const objects = await site.open(context, bucket)
      await storeBlob(objects, key, bytes.subarray(0, 1000))
      const md5 = createHash('md5').update(bytes.subarray(0, 1000)).digest('base64')
      assert.equal((await site.describe(bucket, key))['md5Hash'], md5)
    })

    test('an upload that the bucket never takes fails and leaves nothing visible', async (context) => {
      const [objects, bucket] = await site.openFaulty(context, always('PUT', answer(503, 'busy')))
      await assert.rejects(storeBlob(objects, key, bytes), isCode('STORAGE_BUSY'))
      assert.deepEqual(await site.listAll(bucket), [])
    })

    test('an upload ends when its signal or its storage says so', async (context) => {
      const hole = always('PUT', { kind: 'black-hole' })
      const [objects] = await site.openFaulty(context, hole)
      await assertAborts(objects, async (controller) => controller.abort(new Error('enough')))
      await assertAborts(objects, () => objects.close())
    })

    test('an upload that is left open leaves nothing when its storage is closed', async (context) => {
      const bucket = await site.makeBucket()
      const objects = await site.open(context, bucket)
      const upload = await objects.upload(layerType, never)
      await upload.write(bytes)
      await allStored(bucket, 2)
      await objects.close()
      assert.deepEqual(await site.listAll(bucket), [])
    })

    /** A bucket may carry out what was broken off, and that after the removal; the sweep is for those. */
    async function allStored(bucket: string, parts: number): Promise<void> {
      const areThere = async () =>
        (await site.listAll(bucket)).length === parts ? true : undefined
      await eventually(`${parts} parts`, areThere)
    }

    async function assertAborts(
      objects: ObjectStore,
      end: (controller: AbortController) => Promise<void>,
    ): Promise<void> {
      const controller = new AbortController()
      const upload = await objects.upload(layerType, controller.signal)
      await upload.write(bytes)
      const published = upload.publish(key)
      await Promise.all([assert.rejects(published, /enough|dropped/), end(controller)])
      await upload.discard()
    }

    test('downloads that break off are told, and small objects are read again', async (context) => {
      const cut = onFirst('alt=media', { kind: 'truncate', afterBytes: 1000 })
      const [objects] = await site.openFaulty(context, () => undefined)
      await storeBlob(objects, key, bytes)
      site.proxy.plan = cut
      const stream = await objects.open(key, undefined, never)
      assert.ok(stream)
      await assert.rejects(buffer(stream), isCode('STORAGE_BUSY'))
      site.proxy.plan = onFirst('alt=media', { kind: 'truncate', afterBytes: 1000 })
      const read = await objects.read(key, bytes.length, never)
      assert.ok(read && bytes.equals(read))
      assert.equal(await objects.read(key, bytes.length - 1, never), undefined)
    })

    test('small objects say that they must not be cached', async (context) => {
      const bucket = await site.makeBucket()
      const objects = await site.open(context, bucket)
      await objects.put('builds/a', Buffer.from('{}'), 'application/json', never)
      const { contentType, cacheControl } = await site.describe(bucket, 'builds/a')
      assert.deepEqual([contentType, cacheControl], ['application/json', 'no-store'])
    })
  },
)

function answer(status: number, message: string): Fault {
  return { kind: 'answer', answer: googleAnswer(status, message) }
}

/** The first requests with that method, or that in their path, fail in this order. */
function inOrder(what: string, faults: readonly Fault[]): FaultPlan {
  const left = [...faults]
  return (request) => (isOf(request, what) ? left.shift() : undefined)
}

function onFirst(what: string, fault: Fault): FaultPlan {
  return inOrder(what, [fault])
}

function always(what: string, fault: Fault): FaultPlan {
  return (request) => (isOf(request, what) ? fault : undefined)
}

function isOf({ method, path }: ProxiedRequest, what: string): boolean {
  return method === what || path.includes(what)
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof OperatingError && error.code === code
}
