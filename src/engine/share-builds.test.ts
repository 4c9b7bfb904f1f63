import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { buildTarget, createHeldBuilder, failedOutcome } from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { OperatingError } from './operating-error.ts'
import { GivenUp, shareBuilds } from './share-builds.ts'

const patient = new AbortController().signal
const graceMs = 600_000

function setUp() {
  const clock = createManualClock()
  const { builder, started } = createHeldBuilder()
  let builds = 0
  const newBuildId = () => {
    builds += 1
    return `b${builds}`
  }
  return { clock, started, shared: shareBuilds(builder, { clock, graceMs, newBuildId }) }
}

test('shareBuilds() runs one build for all callers of a key', async () => {
  const { started, shared } = setUp()
  const callers = Array.from({ length: 50 }, () => shared.build(buildTarget('git'), patient))
  const other = shared.build(buildTarget('jq'), patient)
  assert.deepEqual(
    started.map((build) => build.target.request.packages[0]),
    ['git', 'jq'],
  )
  for (const build of started) build.finish(failedOutcome)
  for (const outcome of await Promise.all([...callers, other])) assert.equal(outcome, failedOutcome)
})

test('shareBuilds() gives every caller a build of its own when the source is not fixed', async () => {
  const { clock, started, shared } = setUp()
  const fixedTarget = buildTarget('git')
  const target = { ...fixedTarget, source: { ...fixedTarget.source, fixed: false } }
  const outcomes = ['before', 'after'].map((buildId) => ({ ...failedOutcome, buildId }))
  const callers = outcomes.map(() => shared.build(target, patient))
  assert.equal(started.length, 2, 'the set may have been edited between them')
  for (const [index, outcome] of outcomes.entries()) started[index]?.finish(outcome)
  assert.deepEqual(await Promise.all(callers), outcomes)

  const hurried = new AbortController()
  const leaving = shared.build(target, hurried.signal)
  hurried.abort(new Error('hung up'))
  await assert.rejects(leaving, /hung up/)
  // What Nix has made by then makes the next pull short.
  clock.advance(graceMs - 1)
  assert.equal(started[2]?.signal.aborted, false)
  clock.advance(1)
  assert.equal(started[2]?.signal.aborted, true)
})

test('shareBuilds() tells each caller the id of its build when there is room for it', async () => {
  const { started, shared } = setUp()
  const told: string[] = []
  const tell = (buildId: string) => told.push(buildId)
  const callers = ['git', 'git', 'jq'].map((name) => shared.build(buildTarget(name), patient, tell))
  await setImmediate()
  assert.deepEqual(told, ['b1', 'b1', 'b2'])
  for (const build of started) build.finish(failedOutcome)
  await Promise.all(callers)
})

test('shareBuilds() tells no id of a build that is refused', async () => {
  const full = new OperatingError('OVERLOADED', 'full')
  const options = { clock: createManualClock(), graceMs, newBuildId: () => 'b1' }
  const shared = shareBuilds({ build: () => Promise.reject(full) }, options)
  const told: string[] = []
  await assert.rejects(
    shared.build(buildTarget('git'), patient, (buildId) => told.push(buildId)),
    { code: 'OVERLOADED' },
  )
  assert.deepEqual(told, [])
})

test('shareBuilds() ends a build that its last caller gives up, without a grace', async () => {
  const { started, shared } = setUp()
  const [first, second] = [new AbortController(), new AbortController()]
  const givingUp = [first, second].map(({ signal }) => shared.build(buildTarget('git'), signal))
  first.abort(new GivenUp('cancelled'))
  await assert.rejects(givingUp[0]!, GivenUp)
  assert.equal(started[0]?.signal.aborted, false, 'somebody waits for it')
  second.abort(new GivenUp('cancelled'))
  await assert.rejects(givingUp[1]!, GivenUp)
  assert.equal(started[0]?.signal.aborted, true)
})

test('shareBuilds() builds anew once a build has ended', async () => {
  const { started, shared } = setUp()
  for (const round of [1, 2]) {
    const caller = shared.build(buildTarget('git'), patient)
    assert.equal(started.length, round)
    started.at(-1)?.finish(failedOutcome)
    await caller
  }
})

test('shareBuilds() keeps an abandoned build for its grace', async () => {
  const { clock, started, shared } = setUp()
  const first = new AbortController()
  const leaving = shared.build(buildTarget('git'), first.signal)
  first.abort(new Error('hung up'))
  await assert.rejects(leaving, /hung up/)

  clock.advance(graceMs - 1)
  assert.equal(started[0]?.signal.aborted, false)
  const returning = shared.build(buildTarget('git'), patient)
  clock.advance(graceMs * 2)
  assert.equal(started[0]?.signal.aborted, false, 'somebody waits again')
  started[0]?.finish(failedOutcome)
  assert.equal(await returning, failedOutcome)
  assert.equal(started.length, 1)
})

test('shareBuilds() cancels an abandoned build after its grace', async () => {
  const { clock, started, shared } = setUp()
  const caller = new AbortController()
  const leaving = shared.build(buildTarget('git'), caller.signal)
  caller.abort(new Error('hung up'))
  await assert.rejects(leaving, /hung up/)
  clock.advance(graceMs)
  assert.equal(started[0]?.signal.aborted, true)

  const next = shared.build(buildTarget('git'), patient)
  assert.equal(started.length, 2, 'a cancelled build takes no callers')
  started[1]?.finish(failedOutcome)
  assert.equal(await next, failedOutcome)
})

test('shareBuilds() stays on while one of two callers waits', async () => {
  const { clock, started, shared } = setUp()
  const first = new AbortController()
  const leaving = shared.build(buildTarget('git'), first.signal)
  const staying = shared.build(buildTarget('git'), patient)
  first.abort(new Error('hung up'))
  await assert.rejects(leaving, /hung up/)
  clock.advance(graceMs * 2)
  started[0]?.finish(failedOutcome)
  assert.equal(await staying, failedOutcome)
})

test('cancelOneAbandoned() cancels the newest build that nobody waits for, and no more', async () => {
  const { started, shared } = setUp()
  const caller = new AbortController()
  const leaving = ['git', 'jq'].map((name) => shared.build(buildTarget(name), caller.signal))
  const staying = shared.build(buildTarget('htop'), patient)
  caller.abort(new Error('hung up'))
  for (const left of leaving) await assert.rejects(left, /hung up/)
  const cancelled = () => started.map((build) => build.signal.aborted)

  assert.equal(shared.cancelOneAbandoned(), true)
  assert.deepEqual(cancelled(), [false, true, false])
  assert.equal(shared.cancelOneAbandoned(), true)
  assert.deepEqual(cancelled(), [true, true, false])
  assert.equal(shared.cancelOneAbandoned(), false)
  started[2]?.finish(failedOutcome)
  assert.equal(await staying, failedOutcome)
})

test('close() ends all builds and refuses new ones', async () => {
  const { shared } = setUp()
  const caller = shared.build(buildTarget('git'), patient)
  const isShuttingDown = (error: unknown) =>
    error instanceof OperatingError && error.code === 'SHUTTING_DOWN'
  await Promise.all([assert.rejects(caller, isShuttingDown), shared.close()])
  await assert.rejects(shared.build(buildTarget('git'), patient), isShuttingDown)
})
