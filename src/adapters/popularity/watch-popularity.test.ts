import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Popularity } from '#core/layers/popularity.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { watchPopularity } from './watch-popularity.ts'

const signal = new AbortController().signal
const refreshMs = 24 * 3_600_000

async function setUp(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-popularity-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'popularity.json')
  const state = join(directory, 'state')
  const clock = createManualClock()
  const told: string[] = []
  const tells = new EventEmitter()
  const tell = (text: string) => {
    told.push(text)
    tells.emit('tell')
  }
  const watch = async (interval = refreshMs) => {
    const watched = await watchPopularity(
      {
        url: pathToFileURL(path).href,
        directory: state,
        refreshMs: interval,
        clock,
        onChange: (popularity) => tell(`change to ${ratingOf(popularity)}`),
        onFailure: (error, serving) => tell(`${serving}: ${String(error)}`),
      },
      signal,
    )
    context.after(() => watched.close())
    return watched
  }
  /** Lets the schedule fall due and waits until something is told of it. */
  const refresh = async () => {
    const next = once(tells, 'tell')
    clock.advance(refreshMs)
    await next
  }
  return { path, state, clock, told, watch, refresh }
}

function ratingOf(popularity: Popularity): number | undefined {
  return popularity.kind === 'snapshot' ? popularity.ratings.get('jq-1.6') : undefined
}

test('watchPopularity() serves each snapshot that it loads, and tells of changes', async (context) => {
  const { path, told, watch, refresh } = await setUp(context)
  await writeFile(path, '{"jq-1.6": 1}')
  const watched = await watch()
  assert.equal(ratingOf(watched.current()), 1)
  assert.deepEqual(told, [], 'the start is no change')

  await writeFile(path, '{"jq-1.6": 2}')
  assert.equal(ratingOf(watched.current()), 1, 'not before its time')
  await refresh()
  await writeFile(path, '{"jq-1.6": 3}')
  await refresh()
  assert.deepEqual(told, ['change to 2', 'change to 3'])
  assert.equal(ratingOf(watched.current()), 3)
})

test('watchPopularity() keeps the last good snapshot, and tells why', async (context) => {
  const { path, told, watch, refresh } = await setUp(context)
  await writeFile(path, '{"jq-1.6": 1}')
  const watched = await watch()
  await rm(path)
  await refresh()
  await writeFile(path, 'nonsense')
  await refresh()
  assert.match(told[0]!, /^kept: .*popularity\.json cannot be read/)
  assert.match(told[1]!, /^kept: .*popularity\.json is no popularity file/)
  assert.equal(ratingOf(watched.current()), 1)

  await rm(path)
  told.length = 0
  const restarted = await watch()
  assert.match(told[0]!, /^kept: /)
  assert.equal(ratingOf(restarted.current()), 1)
})

test('watchPopularity() starts without when there is nothing, and takes what comes later', async (context) => {
  const { path, told, watch, refresh } = await setUp(context)
  const watched = await watch()
  assert.match(told[0]!, /^nothing: /)
  assert.deepEqual(watched.current(), { kind: 'closure' })
  await refresh()
  assert.match(told[1]!, /^nothing: /)
  await writeFile(path, '{"jq-1.6": 1}')
  await refresh()
  assert.equal(told[2], 'change to 1')
  assert.equal(ratingOf(watched.current()), 1)
})

test('watchPopularity() goes on when a copy cannot be kept, but does not start so', async (context) => {
  const { path, state, told, watch, refresh } = await setUp(context)
  await writeFile(path, '{"jq-1.6": 1}')
  const watched = await watch()
  const [kept = ''] = await readdir(state)
  await rm(join(state, kept))
  await mkdir(join(state, kept))
  await writeFile(path, '{"jq-1.6": 2}')
  await refresh()
  assert.match(told[0]!, /^kept: .*cannot keep the popularity/)
  assert.equal(ratingOf(watched.current()), 1)
  await assert.rejects(watch(), /cannot keep the popularity/)
  await rm(join(state, kept), { recursive: true })
  await refresh()
  assert.equal(told[1], 'change to 2')
})

test('watchPopularity() reads once where it shall never refresh, and not after its close', async (context) => {
  const { path, clock, told, watch } = await setUp(context)
  await writeFile(path, '{"jq-1.6": 1}')
  const never = await watch(0)
  const closed = await watch()
  closed.close()
  await writeFile(path, '{"jq-1.6": 2}')
  clock.advance(10 * refreshMs)
  // Whatever was begun by now ends before a third reads the same file.
  assert.equal(ratingOf((await watch()).current()), 2)
  assert.deepEqual(told, [])
  assert.deepEqual(
    [never, closed].map((watched) => ratingOf(watched.current())),
    [1, 1],
  )
})
