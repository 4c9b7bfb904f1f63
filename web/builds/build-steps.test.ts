import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildProgress } from '#core/api/build-progress.ts'
import { buildSteps, describeState } from './build-steps.ts'

const queued: BuildProgress = {
  id: '0123456789ab',
  name: 'git',
  tag: 'latest',
  platform: 'linux/amd64',
  source: '',
  revision: 'r',
  status: 'queued',
  queuedAtMs: 0,
  lastEvent: 0,
  builders: [],
  downloads: [],
  layers: [],
}
const cases: readonly (readonly [Partial<BuildProgress>, string, RegExp])[] = [
  [{}, 'current ahead ahead ahead', /turn/],
  [{ status: 'running', step: 'evaluating' }, 'done current ahead ahead', /Look up/],
  [{ status: 'running', step: 'realising' }, 'done done current ahead', /Download/],
  [{ status: 'running', step: 'packing' }, 'done done done current', /Pack/],
  [{ status: 'finished', step: 'packing' }, 'done done done done', /finished/],
  [{ status: 'failed', step: 'realising' }, 'done done failed ahead', /failed/],
  [{ status: 'aborted' }, 'failed ahead ahead ahead', /ended early/],
]
for (const [changes, states, sentence] of cases) {
  test(`buildSteps() of ${JSON.stringify(changes)}`, () => {
    const progress = { ...queued, ...changes }
    assert.equal(
      buildSteps(progress)
        .map(({ state }) => state)
        .join(' '),
      states,
    )
    assert.match(describeState(progress), sentence)
  })
}
