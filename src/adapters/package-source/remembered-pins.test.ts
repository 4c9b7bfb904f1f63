import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, open, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { PinMemory } from './remembered-pins.ts'

const signal = new AbortController().signal
const [first, second] = ['1'.repeat(40), '2'.repeat(40)]
const startMs = 1_000_000
const ttlMs = 60_000

async function makeDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-pins-'))
  // A late answer, for which nobody waits, may just be written.
  context.after(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

/** A memory, and an origin whose answer the test sets. */
async function setUp(context: TestContext, directory?: string) {
  const clock = createManualClock()
  const path = directory ?? (await makeDirectory(context))
  const origin = { answer: async (): Promise<string | undefined> => first, asked: 0 }
  const log: string[] = []
  const moves: unknown[] = []
  const time = { ms: startMs }
  const pins = new PinMemory({
    directory: path,
    ttlMs,
    clock,
    now: () => time.ms,
    onOutage: (error) => log.push(`lost: ${(error as Error).message}`),
    onRecovery: () => log.push('back'),
    onMove: (...move) => moves.push(move),
  })
  context.after(() => pins.close())
  const ask = () => {
    origin.asked += 1
    return origin.answer()
  }
  const resolve = (reference = 'main') => pins.resolve(reference, ask, signal)
  const advance = (ms: number) => {
    time.ms += ms
    clock.advance(ms)
  }
  return { directory: path, pins, origin, log, moves, resolve, advance }
}

async function fail(): Promise<never> {
  throw new OperatingError('SOURCE_UNAVAILABLE', 'no route')
}

test('PinMemory.resolve() asks once for many, and again when the time is over', async (context) => {
  const { origin, resolve, advance } = await setUp(context)
  const all = await Promise.all([resolve(), resolve(), resolve()])
  assert.deepEqual(all, [{ commit: first }, { commit: first }, { commit: first }])
  origin.answer = async () => second
  advance(ttlMs - 1)
  assert.deepEqual(await resolve(), { commit: first })
  assert.equal(origin.asked, 1)
  advance(1)
  assert.deepEqual(await Promise.all([resolve(), resolve()]), [
    { commit: second },
    { commit: second },
  ])
  assert.equal(origin.asked, 2)
})

test('PinMemory.resolve() asks once when a look at the disk takes longer than the answer', async (context) => {
  const before = await setUp(context)
  await before.resolve()
  const references = join(before.directory, 'references')
  const [name = ''] = await readdir(references)
  const path = join(references, name)
  await rm(path)

  const { origin, resolve } = await setUp(context, before.directory)
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<string>()
  origin.answer = () => {
    asked.resolve()
    return answer.promise
  }
  const quick = resolve()
  await asked.promise
  // Who reads a pipe waits until its writer closes it. The answer is kept in its place.
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  const slow = resolve()
  const writer = await open(path, 'w')
  answer.resolve(first)
  assert.deepEqual(await quick, { commit: first })
  await writer.close()
  assert.deepEqual(await slow, { commit: first })
  assert.equal(origin.asked, 1)
})

test('PinMemory.resolve() tells what is new and what moved, and nothing of what stays', async (context) => {
  const { directory, moves, origin, resolve, advance } = await setUp(context)
  await resolve()
  advance(ttlMs)
  await resolve()
  assert.deepEqual(moves, [['main', first, undefined]])
  origin.answer = async () => second
  advance(ttlMs)
  await resolve()
  assert.deepEqual(moves.slice(1), [['main', second, first]])
  // A restart has not forgotten.
  const later = await setUp(context, directory)
  later.origin.answer = async () => second
  later.advance(4 * ttlMs)
  await later.resolve()
  assert.equal(later.origin.asked, 1)
  assert.deepEqual(later.moves, [])
})

test('PinMemory.resolve() goes on with the old answer while the origin is lost', async (context) => {
  const { origin, log, resolve, advance } = await setUp(context)
  await resolve()
  origin.answer = fail
  advance(ttlMs)
  const stale = { commit: first, staleSinceMs: startMs }
  assert.deepEqual(await resolve(), stale)
  assert.deepEqual(await resolve(), stale)
  assert.equal(origin.asked, 2, 'not for every pull')
  advance(30_000)
  assert.deepEqual(await resolve(), stale)
  assert.equal(origin.asked, 3)
  assert.deepEqual(log, ['lost: no route'], 'said once')
  origin.answer = async () => second
  advance(30_000)
  assert.deepEqual(await resolve(), { commit: second })
  assert.deepEqual(log, ['lost: no route', 'back'])
})

test('PinMemory.resolve() does not wait long for an origin that is silent', async (context) => {
  const { origin, log, resolve, advance } = await setUp(context)
  await resolve()
  const answer = Promise.withResolvers<string>()
  const asked = Promise.withResolvers<void>()
  origin.answer = () => {
    asked.resolve()
    return answer.promise
  }
  advance(ttlMs)
  const waiting = resolve()
  await asked.promise
  advance(5_000)
  assert.equal((await waiting)?.staleSinceMs, startMs)
  assert.equal((await resolve())?.staleSinceMs, startMs, 'and the next one not at all')
  assert.deepEqual(log, ['lost: no answer within 5000 ms'])
  answer.resolve(second)
  while ((await resolve())?.commit === first) await new Promise(setImmediate)
  assert.deepEqual(await resolve(), { commit: second }, 'a late answer counts')
  assert.equal(origin.asked, 2)
})

test('PinMemory.resolve() serves after a restart in an outage', async (context) => {
  const { directory, resolve } = await setUp(context)
  await resolve()
  const later = await setUp(context, directory)
  later.origin.answer = fail
  assert.deepEqual(await later.resolve(), { commit: first }, 'within its time')
  later.advance(ttlMs)
  assert.deepEqual(await later.resolve(), { commit: first, staleSinceMs: startMs })
  await assert.rejects(later.resolve('other'), /no route/)
})

test('PinMemory.resolve() forgets what the origin has no more, also after a restart', async (context) => {
  const { directory, origin, resolve, advance } = await setUp(context)
  await resolve()
  origin.answer = async () => undefined
  advance(ttlMs)
  assert.equal(await resolve(), undefined)
  origin.answer = fail
  const later = await setUp(context, directory)
  later.origin.answer = fail
  await assert.rejects(later.resolve(), /no route/)
})

test('PinMemory.resolve() keeps refusals for some seconds only', async (context) => {
  const { origin, resolve, advance } = await setUp(context)
  origin.answer = async () => undefined
  assert.equal(await resolve(), undefined)
  assert.equal(await resolve(), undefined)
  assert.equal(origin.asked, 1)
  origin.answer = fail
  advance(5_000)
  await assert.rejects(resolve(), /no route/)
  await assert.rejects(resolve(), /no route/)
  assert.equal(origin.asked, 2)
  origin.answer = async () => first
  advance(5_000)
  assert.deepEqual(await resolve(), { commit: first })
})

test('PinMemory.resolve() takes a damaged file for none', async (context) => {
  const { directory, resolve } = await setUp(context)
  await resolve()
  const [name = ''] = await readdir(join(directory, 'references'))
  for (const text of ['', '{}', `{"reference":"main","commit":"--x","checkedAtMs":1}`]) {
    await writeFile(join(directory, 'references', name), text)
    const later = await setUp(context, directory)
    assert.deepEqual(await later.resolve(), { commit: first })
    assert.equal(later.origin.asked, 1)
  }
})

test('PinMemory.resolve() keeps a bounded number of references', async (context) => {
  const { directory, resolve } = await setUp(context)
  await resolve()
  const old = new Date(0)
  for (let index = 0; index < 1_000; index++) {
    const path = join(directory, 'references', `${index}.json`)
    await writeFile(path, '')
    await utimes(path, old, old)
  }
  await resolve('other')
  assert.equal((await readdir(join(directory, 'references'))).length, 1_000)
  const later = await setUp(context, directory)
  await later.resolve()
  await later.resolve('other')
  assert.equal(later.origin.asked, 0, 'the oldest went')
})

test('PinMemory.knows() remembers commits over restarts', async (context) => {
  const { directory, pins } = await setUp(context)
  assert.ok(!(await pins.knows(first)))
  await pins.remember(first)
  assert.ok(await pins.knows(first))
  const later = await setUp(context, directory)
  assert.ok(await later.pins.knows(first))
  assert.ok(!(await later.pins.knows(second)))
})

test('PinMemory.recall() gives what the origin has said, for as long as that is good', async (context) => {
  const { pins, resolve, advance } = await setUp(context)
  assert.equal(pins.recall('main'), undefined)
  await resolve()
  advance(ttlMs - 1)
  assert.deepEqual(pins.recall('main'), { commit: first })
  assert.equal(pins.recall('other'), undefined)
  advance(1)
  assert.equal(pins.recall('main'), undefined)
})
