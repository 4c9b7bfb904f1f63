import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { buildTarget } from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { BuildEvent } from './ports/build-observer.ts'
import { recordBuilds, type BuildSteps } from './record-builds.ts'
import type { ManifestEntry } from './stored-entries.ts'

const patient = new AbortController().signal
const image: ManifestEntry = {
  manifests: [{ mediaType: 'm', digest: digestOf('m'), size: 1 }],
  blobs: [
    { digest: digestOf('a'), size: 3 },
    { digest: digestOf('b'), size: 4 },
  ],
}

function setUp(steps: BuildSteps) {
  const clock = createManualClock()
  const events: Array<readonly [string, BuildEvent]> = []
  const recorded = recordBuilds(steps, {
    clock,
    observer: { observe: (buildId, event) => events.push([buildId, event]) },
    newBuildId: () => 'b1',
    deadlineMs: 1000,
  })
  return {
    clock,
    recorded,
    kinds: () => events.map(([id, event]) => `${id} ${event.kind}`),
    events,
  }
}

const untilAborted: BuildSteps = (_target, _observe, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })

test('recordBuilds() tells the beginning and the end of a build', async () => {
  const { recorded, kinds, events } = setUp(async () => image)
  assert.deepEqual(await recorded.build(buildTarget('git'), patient), { kind: 'built', image })
  assert.deepEqual(kinds(), ['b1 started', 'b1 finished'])
  assert.deepEqual(events[1]?.[1], { kind: 'finished', manifest: digestOf('m'), sizeBytes: 7 })
})

test('recordBuilds() gives a failure its build id', async () => {
  const failure = {
    kind: 'packages',
    failures: [{ kind: 'not-a-derivation', package: 'lib', valueType: 'set' }],
  } as const
  const { recorded, kinds } = setUp(async () => failure)
  assert.deepEqual(await recorded.build(buildTarget('lib'), patient), {
    kind: 'failed',
    buildId: 'b1',
    failure,
  })
  assert.deepEqual(kinds(), ['b1 started', 'b1 failed'])
})

test('recordBuilds() ends a build at its deadline with an outcome', async () => {
  const { recorded, clock, kinds } = setUp(untilAborted)
  const outcome = recorded.build(buildTarget('git'), patient)
  clock.advance(1000)
  assert.deepEqual(await outcome, {
    kind: 'failed',
    buildId: 'b1',
    failure: { kind: 'deadline-passed', deadlineMs: 1000 },
  })
  assert.deepEqual(kinds(), ['b1 started', 'b1 failed'])
})

test('recordBuilds() passes on cancellations and errors', async () => {
  const { recorded, kinds } = setUp(untilAborted)
  const caller = new AbortController()
  const outcome = recorded.build(buildTarget('git'), caller.signal)
  caller.abort(new Error('cancelled'))
  await assert.rejects(outcome, /cancelled/)
  assert.deepEqual(kinds(), ['b1 started', 'b1 aborted'])
})
