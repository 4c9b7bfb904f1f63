import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildTarget } from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { BuildEvent } from './ports/build-observer.ts'
import { runBuilds, type BuildSteps } from './run-builds.ts'

const patient = new AbortController().signal
const target = { ...buildTarget('git'), buildId: 'b1' }

function setUp(steps: BuildSteps) {
  const clock = createManualClock()
  const kinds: string[] = []
  const observer = {
    observe: (buildId: string, event: BuildEvent) => void kinds.push(`${buildId} ${event.kind}`),
  }
  return { clock, kinds, builder: runBuilds(steps, { clock, observer, deadlineMs: 1000 }) }
}

const untilAborted: BuildSteps = (_target, _observe, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })

test('runBuilds() tells when a build begins and passes on what its steps tell', async () => {
  const image = { manifests: [], blobs: [] }
  const { builder, kinds } = setUp(async (_target, observe) => {
    observe({ kind: 'evaluated', derivations: 1 })
    return image
  })
  assert.deepEqual(await builder.build(target, patient), { kind: 'built', image })
  assert.deepEqual(kinds, ['b1 started', 'b1 evaluated'])
})

test('runBuilds() gives a failure the id of its build', async () => {
  const failure = { kind: 'packages', failures: [] } as const
  const { builder } = setUp(async () => failure)
  const outcome = await builder.build(target, patient)
  assert.deepEqual(outcome, { kind: 'failed', buildId: 'b1', failure })
})

test('runBuilds() ends a build at its deadline with an outcome', async () => {
  const { builder, clock } = setUp(untilAborted)
  const building = builder.build(target, patient)
  clock.advance(1000)
  const failure = { kind: 'deadline-passed', deadlineMs: 1000 }
  assert.deepEqual(await building, { kind: 'failed', buildId: 'b1', failure })
})

test('runBuilds() passes on the reason of a caller who leaves', async () => {
  const { builder } = setUp(untilAborted)
  const caller = new AbortController()
  const building = builder.build(target, caller.signal)
  caller.abort(new Error('hung up'))
  await assert.rejects(building, /hung up/)
})
