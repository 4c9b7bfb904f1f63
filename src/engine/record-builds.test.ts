import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { buildTarget, failedOutcome } from '#test/fakes/build-target.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { ImageBuilder, NumberedTarget } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'
import type { BuildEvent } from './ports/build-observer.ts'
import { recordBuilds } from './record-builds.ts'

const patient = new AbortController().signal
const target = { ...buildTarget('git'), buildId: 'b1' }

function setUp(build: () => Promise<BuildOutcome>) {
  const events: Array<readonly [string, BuildEvent]> = []
  const observer = {
    observe: (buildId: string, event: BuildEvent) => void events.push([buildId, event]),
  }
  const inner: ImageBuilder<NumberedTarget> = {
    build({ buildId }, _, onBuild) {
      onBuild?.(buildId)
      return build()
    },
  }
  const recorded = recordBuilds(inner, observer)
  return { recorded, events, kinds: () => events.map(([id, event]) => `${id} ${event.kind}`) }
}

test('recordBuilds() tells what a build is for and what came of it', async () => {
  const image = {
    manifests: [{ mediaType: 'm', digest: digestOf('m'), size: 1 }],
    blobs: [
      { digest: digestOf('a'), size: 3 },
      { digest: digestOf('b'), size: 4 },
    ],
  }
  const { recorded, events } = setUp(async () => ({ kind: 'built', image }))
  assert.deepEqual(await recorded.build(target, patient), { kind: 'built', image })
  const { request } = target
  assert.deepEqual(events, [
    ['b1', { kind: 'queued', name: 'git', tag: 'latest', request, source: '', revision: 'fake' }],
    ['b1', { kind: 'finished', manifest: digestOf('m'), sizeBytes: 7 }],
  ])
})

test('recordBuilds() tells of failures, and passes on cancellations and errors', async () => {
  const failing = setUp(async () => failedOutcome)
  assert.equal(await failing.recorded.build(target, patient), failedOutcome)
  assert.deepEqual(failing.kinds(), ['b1 queued', 'b1 failed'])
  const cancelled = setUp(() => Promise.reject(new Error('cancelled')))
  await assert.rejects(cancelled.recorded.build(target, patient), /cancelled/)
  assert.deepEqual(cancelled.kinds(), ['b1 queued', 'b1 aborted'])
})

test('recordBuilds() tells nothing of a build that is refused', async () => {
  const events: BuildEvent[] = []
  const observer = { observe: (_: string, event: BuildEvent) => void events.push(event) }
  const refusal = new OperatingError('OVERLOADED', 'full')
  const recorded = recordBuilds({ build: () => Promise.reject(refusal) }, observer)
  await assert.rejects(recorded.build(target, patient), { code: 'OVERLOADED' })
  assert.deepEqual(events, [])
})
