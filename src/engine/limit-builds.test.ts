import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  buildTarget,
  createHeldBuilder,
  createSlowlyEndingBuilder,
  failedOutcome,
} from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { limitBuilds } from './limit-builds.ts'
import { OperatingError } from './operating-error.ts'
import { shareBuilds } from './share-builds.ts'

const patient = new AbortController().signal
const isOverloaded = (error: unknown) =>
  error instanceof OperatingError && error.code === 'OVERLOADED'

const numbered = (name: string) => ({ ...buildTarget(name), buildId: name })

function setUp(makeRoom = () => false) {
  const { builder, started } = createHeldBuilder()
  const limited = limitBuilds(builder, { maxRunning: 2, maxQueued: 2 }, () => makeRoom())
  const names = () => started.map((build) => build.target.request.packages[0])
  return { limited, started, names }
}

test('limitBuilds() runs so many at once and the others in order', async () => {
  const { limited, started, names } = setUp()
  const builds = ['a', 'b', 'c', 'd'].map((name) => limited.build(numbered(name), patient))
  await setImmediate()
  assert.deepEqual(names(), ['a', 'b'])
  started[1]?.finish(failedOutcome)
  await setImmediate()
  assert.deepEqual(names(), ['a', 'b', 'c'])
  started[0]?.finish(failedOutcome)
  await setImmediate()
  assert.deepEqual(names(), ['a', 'b', 'c', 'd'])
  for (const build of started) build.finish(failedOutcome)
  await Promise.all(builds)
})

test('limitBuilds() refuses when the queue is full', async () => {
  const { limited, started } = setUp()
  const told: string[] = []
  const build = (name: string) =>
    limited.build(numbered(name), patient, (buildId) => told.push(buildId))
  const builds = ['a', 'b', 'c', 'd'].map(build)
  await assert.rejects(build('e'), isOverloaded)
  assert.deepEqual(told, ['a', 'b', 'c', 'd'])
  await setImmediate()
  started[0]?.finish(failedOutcome)
  started[1]?.finish(failedOutcome)
  await setImmediate()
  for (const build of started) build.finish(failedOutcome)
  await Promise.all(builds)
})

test('limitBuilds() takes a place that makeRoom freed', async () => {
  const abandoned = new AbortController()
  const { limited, started, names } = setUp(() => {
    abandoned.abort(new Error('abandoned'))
    return true
  })
  const running = ['a', 'b'].map((name) => limited.build(numbered(name), patient))
  const queued = limited.build(numbered('c'), patient)
  const left = limited.build(numbered('d'), abandoned.signal)
  const entering = limited.build(numbered('e'), patient)
  await assert.rejects(left, /abandoned/)
  for (let round = 0; round < 4; round += 1) {
    for (const build of started) build.finish(failedOutcome)
    await setImmediate()
  }
  await Promise.all([...running, queued, entering])
  assert.deepEqual(names(), ['a', 'b', 'c', 'e'])
})

test('limitBuilds() queues for the place of a running build that makeRoom cancels', async () => {
  const clock = createManualClock()
  const { builder, started } = createSlowlyEndingBuilder()
  const limits = { maxRunning: 2, maxQueued: 1 }
  const limited = limitBuilds(builder, limits, () => shared.cancelOneAbandoned())
  const shared = shareBuilds(limited, { clock, graceMs: 600_000, newBuildId: () => 'b1' })
  const caller = new AbortController()
  const leaving = ['a', 'b'].map((name) => shared.build(buildTarget(name), caller.signal))
  const waiting = [shared.build(buildTarget('c'), patient)]
  caller.abort(new Error('hung up'))
  for (const left of leaving) await assert.rejects(left, /hung up/)

  waiting.push(shared.build(buildTarget('d'), patient))
  const cancelled = () => started.map((build) => build.signal.aborted)
  assert.deepEqual(cancelled(), [false, true], 'one place is enough')
  waiting.push(shared.build(buildTarget('e'), patient))
  assert.deepEqual(cancelled(), [true, true])
  await assert.rejects(shared.build(buildTarget('f'), patient), isOverloaded)

  for (let round = 0; round < 4; round += 1) {
    for (const build of started) build.finish(failedOutcome)
    await setImmediate()
  }
  await Promise.all(waiting)
  assert.deepEqual(
    started.map((build) => build.target.request.packages[0]),
    ['a', 'b', 'c', 'd', 'e'],
  )
})

test('limitBuilds() gives the place of a failed build on', async () => {
  const controller = new AbortController()
  const { limited, started, names } = setUp()
  const failing = limited.build(numbered('a'), controller.signal)
  const others = ['b', 'c'].map((name) => limited.build(numbered(name), patient))
  await setImmediate()
  controller.abort(new Error('cancelled'))
  await assert.rejects(failing, /cancelled/)
  await setImmediate()
  assert.deepEqual(names(), ['a', 'b', 'c'])
  for (const build of started) build.finish(failedOutcome)
  await Promise.all(others)
})
