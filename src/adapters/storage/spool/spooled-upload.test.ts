import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { abortable } from '#engine/abortable.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { mountTinyDisk, skipUnlessMounting } from '#test/storage/tiny-disk.ts'
import { openSpool, type Spool } from './spool.ts'
import type { SpooledPart } from './spooled-part.ts'
import { spooledUpload, type PartTarget } from './spooled-upload.ts'

const kibibyte = 1024
// More than what stays in memory, so that the parts lie on disk.
const partBytes = 300 * kibibyte
const signal = new AbortController().signal

/** Waits for nothing; what limits all tries together is not reached. */
const hastyClock: Clock = {
  after(delayMs, callback) {
    if (delayMs > 60_000) return () => undefined
    const timer = setImmediate(callback)
    return () => clearImmediate(timer)
  },
}

const options = { partBytes, retry: { clock: hastyClock, random: () => 0 } }

type Call = keyof PartTarget

/** A bucket in memory. `fail` throws what a call is to fail with, after it has read all it was given. */
function memoryTarget(
  fail: (call: Call, signal: AbortSignal | undefined) => void | Promise<void> = () => undefined,
) {
  const parts = new Map<number, Buffer>()
  const objects = new Map<string, Buffer>()
  const calls: string[] = []
  let [underWay, mostUnderWay] = [0, 0]
  const read = async (part: SpooledPart, call: Call, signal: AbortSignal) => {
    underWay += 1
    mostUnderWay = Math.max(mostUnderWay, underWay)
    try {
      const bytes = await buffer(part.open())
      assert.equal(bytes.length, part.sizeBytes)
      await fail(call, signal)
      return bytes
    } finally {
      underWay -= 1
    }
  }
  const target: PartTarget = {
    async putWhole(key, part, signal) {
      calls.push('putWhole')
      objects.set(key, await read(part, 'putWhole', signal))
    },
    async putPart(number, part, signal) {
      calls.push(`putPart ${number}`)
      parts.set(number, await read(part, 'putPart', signal))
    },
    async join(key, count, sizeBytes, signal) {
      calls.push(`join ${count}`)
      await fail('join', signal)
      const joined = Buffer.concat(Array.from({ length: count }, (_, number) => parts.get(number)!))
      assert.equal(joined.length, sizeBytes)
      objects.set(key, joined)
      parts.clear()
    },
    async abandon() {
      calls.push('abandon')
      await fail('abandon', undefined)
      parts.clear()
    },
  }
  return { target, parts, objects, calls, mostUnderWay: () => mostUnderWay }
}

function failTimes(times: number, code: 'STORAGE_BUSY' | 'BUCKET_DENIED', failing: Call) {
  let failures = 0
  return (call: Call) => {
    if (call !== failing || failures === times) return
    failures += 1
    throw new OperatingError(code, `${call} fails on purpose, ${failures}`)
  }
}

async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-spool-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function makeSpool(context: TestContext, mostBytes = 10 * partBytes) {
  const directory = await temporaryDirectory(context)
  const spool = await openSpool(directory, mostBytes)
  context.after(() => spool.close())
  return { spool, files: () => filesIn(directory), directory }
}

/** What uploads have in the spool; not what says whose it is. */
async function filesIn(directory: string): Promise<readonly string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile() && entry.name !== '.boot')
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Bytes that differ everywhere, so that no part can stand for another one. */
function makeBytes(sizeBytes: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let offset = 0; offset + 4 <= sizeBytes; offset += 4)
    bytes.writeUInt32LE(offset + seed, offset)
  return bytes
}

async function uploadAll(spool: Spool, target: PartTarget, bytes: Buffer, chunkBytes: number) {
  const upload = spooledUpload(spool, target, options, signal)
  try {
    for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
      const chunk = Buffer.from(bytes.subarray(offset, offset + chunkBytes))
      await upload.write(chunk)
      // A writer may use its buffer again.
      chunk.fill(0)
    }
    await upload.publish('key')
  } finally {
    await upload.discard()
  }
}

for (const [what, sizeBytes] of [
  ['nothing', 0],
  ['what fits into memory', 256 * kibibyte],
  ['what fits into one part', partBytes],
] as const)
  test(`spooledUpload() sends ${what} in one request`, async (context) => {
    const { spool, files } = await makeSpool(context)
    const { target, objects, calls } = memoryTarget()
    const bytes = makeBytes(sizeBytes)
    await uploadAll(spool, target, bytes, 100 * kibibyte)
    assert.ok(objects.get('key')?.equals(bytes))
    assert.deepEqual(calls, ['putWhole'])
    assert.deepEqual(await files(), [])
  })

test('spooledUpload() keeps small uploads off the disk', async (context) => {
  const { spool, files } = await makeSpool(context)
  const upload = spooledUpload(spool, memoryTarget().target, options, signal)
  await upload.write(makeBytes(256 * kibibyte))
  assert.deepEqual(await files(), [])
  await upload.write(makeBytes(1))
  const [file = ''] = await files()
  assert.equal((await stat(file)).size, 256 * kibibyte + 1)
  await upload.discard()
  assert.deepEqual(await files(), [])
})

for (const chunkBytes of [7 * kibibyte + 1, partBytes, 1000 * kibibyte])
  test(`spooledUpload() joins parts of chunks of ${chunkBytes} bytes`, async (context) => {
    const { spool, files } = await makeSpool(context)
    const { target, parts, objects, calls, mostUnderWay } = memoryTarget()
    const bytes = makeBytes(8 * partBytes + 1)
    await uploadAll(spool, target, bytes, chunkBytes)
    assert.ok(objects.get('key')?.equals(bytes))
    assert.deepEqual(
      calls.toSorted(),
      ['join 9', ...Array.from({ length: 9 }, (_, number) => `putPart ${number}`)].toSorted(),
    )
    assert.ok(mostUnderWay() <= 3)
    assert.equal(parts.size, 0)
    assert.deepEqual(await files(), [])
  })

for (const call of ['putWhole', 'putPart', 'join'] as const)
  test(`spooledUpload() repeats ${call} while the bucket is busy`, async (context) => {
    const { spool } = await makeSpool(context)
    const { target, objects, calls } = memoryTarget(failTimes(6, 'STORAGE_BUSY', call))
    const bytes = makeBytes(call === 'putWhole' ? partBytes : 2 * partBytes)
    await uploadAll(spool, target, bytes, 100 * kibibyte)
    assert.ok(objects.get('key')?.equals(bytes))
    assert.equal(calls.filter((other) => other.startsWith(call)).length, call === 'putPart' ? 8 : 7)
  })

test('spooledUpload() ends with a part that cannot be stored', async (context) => {
  const { spool, files } = await makeSpool(context)
  const { target, calls } = memoryTarget(failTimes(1, 'BUCKET_DENIED', 'putPart'))
  const upload = spooledUpload(spool, target, options, signal)
  const denied = { code: 'BUCKET_DENIED', message: 'putPart fails on purpose, 1' }
  await assert.rejects(async () => {
    for (let part = 0; part < 10; part += 1) await upload.write(makeBytes(partBytes))
  }, denied)
  await assert.rejects(upload.write(makeBytes(1)), denied)
  await assert.rejects(upload.publish('key'), denied)
  await upload.discard()
  assert.equal(calls.at(-1), 'abandon')
  assert.deepEqual(await files(), [])
})

for (const [what, count] of [
  ['putWhole', 1],
  ['join', 2],
] as const)
  test(`publish() can be called again when ${what} has failed, and when it has not`, async (context) => {
    const { spool } = await makeSpool(context)
    const { target, objects, calls } = memoryTarget(failTimes(1, 'BUCKET_DENIED', what))
    const upload = spooledUpload(spool, target, options, signal)
    const bytes = makeBytes(count * partBytes)
    await upload.write(bytes)
    await assert.rejects(upload.publish('key'), { code: 'BUCKET_DENIED' })
    await upload.publish('key')
    await upload.publish('key')
    await upload.discard()
    assert.ok(objects.get('key')?.equals(bytes))
    assert.equal(calls.filter((call) => call.startsWith(what)).length, 2)
    assert.ok(!calls.includes('abandon'))
  })

/** A target whose parts are stored never: they end with their signal. */
function stuckTarget(expected: number) {
  const allBegun = Promise.withResolvers<void>()
  let begun = 0
  const memory = memoryTarget(async (call, signal) => {
    if (call !== 'putPart' || signal === undefined) return
    begun += 1
    if (begun === expected) allBegun.resolve()
    await abortable(new Promise(() => undefined), signal)
  })
  return { ...memory, allBegun: allBegun.promise }
}

test('discard() ends what is under way, and waits for it', async (context) => {
  const { spool, files } = await makeSpool(context)
  const { target, calls, mostUnderWay, allBegun } = stuckTarget(3)
  const upload = spooledUpload(spool, target, options, signal)
  const refused = assert.rejects(upload.write(makeBytes(10 * partBytes)), /has been dropped/)
  await allBegun
  await Promise.all([upload.discard(), upload.discard()])
  await refused
  assert.equal(mostUnderWay(), 3)
  assert.equal(calls.filter((call) => call === 'abandon').length, 1)
  assert.deepEqual(await files(), [])
})

test('discard() never fails', async (context) => {
  const { spool, files } = await makeSpool(context)
  const { target } = memoryTarget(failTimes(1, 'BUCKET_DENIED', 'abandon'))
  const upload = spooledUpload(spool, target, options, signal)
  await upload.write(makeBytes(2 * partBytes))
  const warned = once(process, 'warning')
  await upload.discard()
  assert.match(String((await warned)[0]), /cannot drop the parts of an upload: .*abandon fails/)
  assert.deepEqual(await files(), [])
})

test('an aborted signal ends an upload', async (context) => {
  const { spool, files } = await makeSpool(context)
  const { target, allBegun } = stuckTarget(2)
  const ending = new AbortController()
  const upload = spooledUpload(spool, target, options, ending.signal)
  await upload.write(makeBytes(2 * partBytes))
  const refused = assert.rejects(upload.publish('key'), /the build has ended/)
  await allBegun
  ending.abort(new Error('the build has ended'))
  await refused
  await assert.rejects(upload.write(makeBytes(1)), /the build has ended/)
  await upload.discard()
  assert.deepEqual(await files(), [])
})

test('a spool of two parts serves fifty uploads at once', async (context) => {
  const { spool, files } = await makeSpool(context, 2 * partBytes)
  await Promise.all(
    Array.from({ length: 50 }, async (_, seed) => {
      const { target, objects } = memoryTarget()
      const bytes = makeBytes(4 * partBytes + seed, seed)
      await uploadAll(spool, target, bytes, 64 * kibibyte)
      assert.ok(objects.get('key')?.equals(bytes))
    }),
  )
  assert.deepEqual(await files(), [])
})

test('uploads that are half done do not keep others waiting', async (context) => {
  const { spool } = await makeSpool(context, 2 * partBytes)
  const uploads = Array.from({ length: 50 }, () => {
    const { target } = memoryTarget()
    return spooledUpload(spool, target, options, signal)
  })
  // One writer for all of them: were one of them to wait for another, it would be for ever.
  for (let round = 0; round < 5; round += 1)
    for (const upload of uploads) await upload.write(makeBytes(partBytes - kibibyte))
  for (const upload of uploads) await upload.publish('key')
  await Promise.all(uploads.map((upload) => upload.discard()))
})

test('write() waits for room while the parts of its upload are under way', async (context) => {
  const { spool, files } = await makeSpool(context, 2 * partBytes)
  const stored = Promise.withResolvers<void>()
  const { target } = memoryTarget(() => stored.promise)
  const upload = spooledUpload(spool, target, options, signal)
  await upload.write(makeBytes(2 * partBytes))
  let isWritten = false
  const written = upload.write(makeBytes(partBytes)).then(() => (isWritten = true))
  // Another upload takes a part beyond the bound, and writes it to disk; so the first had its time.
  const other = spooledUpload(spool, target, options, signal)
  await other.write(makeBytes(partBytes))
  assert.equal(isWritten, false)
  assert.equal((await files()).length, 3)
  stored.resolve()
  await other.discard()
  await written
  await upload.publish('key')
  await upload.discard()
})

test('openSpool() removes what a killed process left', async (context) => {
  const directory = await temporaryDirectory(context)
  const script = `
    const { openSpool } = await import(${JSON.stringify(join(import.meta.dirname, 'spool.ts'))})
    const { spooledUpload } = await import(${JSON.stringify(join(import.meta.dirname, 'spooled-upload.ts'))})
    const spool = await openSpool(${JSON.stringify(directory)}, 1)
    const upload = spooledUpload(spool, {}, {}, new AbortController().signal)
    await upload.write(new Uint8Array(1_000_000))
    process.stdout.write('written')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => assert.fail('the process died at its start')),
  ])
  assert.equal((await filesIn(directory)).length, 1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const spool = await openSpool(directory, 1)
  assert.deepEqual(await filesIn(directory), [])
  await spool.close()
  assert.deepEqual(await readdir(directory), [])
})

test(
  'a full disk is NO_SPACE, and leaves room again',
  { skip: skipUnlessMounting },
  async (context) => {
    const directory = await mountTinyDisk(context, 512)
    if (directory === undefined) return
    const spool = await openSpool(directory, 10 * partBytes)
    const { target } = memoryTarget()
    const large = spooledUpload(spool, target, { ...options, partBytes: 2 * partBytes }, signal)
    await assert.rejects(large.write(makeBytes(600 * kibibyte)), { code: 'NO_SPACE' })
    await assert.rejects(large.publish('key'), { code: 'NO_SPACE' })
    await large.discard()
    assert.deepEqual(await filesIn(directory), [])
    await uploadAll(spool, target, makeBytes(partBytes), partBytes)
    await spool.close()
  },
)
