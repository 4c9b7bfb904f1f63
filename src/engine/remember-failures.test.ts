import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildTarget, failedOutcome } from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { BuildOutcome } from './build-outcome.ts'
import { failureLifeMs, rememberFailures } from './remember-failures.ts'

const { signal } = new AbortController()

/** Builds that all end alike, counted. */
function start(outcome: BuildOutcome) {
  let builds = 0
  const clock = createManualClock()
  const inner = {
    async build() {
      builds += 1
      return outcome
    },
  }
  return { builder: rememberFailures(inner, clock), clock, builds: () => builds }
}

test('rememberFailures() gives the same failure for a while, and builds anew after it', async () => {
  const { builder, clock, builds } = start(failedOutcome)
  assert.equal(await builder.build(buildTarget('a'), signal), failedOutcome)
  assert.equal(await builder.build(buildTarget('a'), signal), failedOutcome)
  assert.equal(builds(), 1)
  await builder.build(buildTarget('b'), signal)
  assert.equal(builds(), 2)
  clock.advance(failureLifeMs)
  await builder.build(buildTarget('a'), signal)
  assert.equal(builds(), 3)
})

test('rememberFailures() remembers nothing of a source that may have changed', async () => {
  const { builder, builds } = start(failedOutcome)
  const target = buildTarget('a')
  const moving = { ...target, source: { ...target.source, fixed: false } }
  await builder.build(moving, signal)
  await builder.build(moving, signal)
  assert.equal(builds(), 2)
})

test('rememberFailures() remembers no image: the caches do', async () => {
  const { builder, builds } = start({ kind: 'built', image: { manifests: [], blobs: [] } } as never)
  await builder.build(buildTarget('a'), signal)
  await builder.build(buildTarget('a'), signal)
  assert.equal(builds(), 2)
})

test('rememberFailures() keeps a bounded number', async () => {
  const { builder, builds } = start(failedOutcome)
  for (let index = 0; index <= 1000; index++) await builder.build(buildTarget(`${index}`), signal)
  await builder.build(buildTarget('1000'), signal)
  assert.equal(builds(), 1001)
  await builder.build(buildTarget('0'), signal)
  assert.equal(builds(), 1002)
})
