import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Popularity } from '#core/layers/popularity.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { buildTarget } from '#test/fakes/build-target.ts'
import { imageKey, type ImageSettings } from './cached-manifests.ts'

const settings: ImageSettings = {
  policy: strictPolicy,
  layerScheme: 'stable',
  layerBudget: 94,
  compression: { codec: 'gzip', level: 5 },
}
const { request, source: pinned } = buildTarget('jq')
const snapshot: Popularity = { kind: 'snapshot', version: '1', ratings: new Map() }

function keyWith(changed: Partial<ImageSettings>, popularity: Popularity = { kind: 'closure' }) {
  return imageKey({ ...settings, ...changed }, request, { pinned, popularity })
}

test('imageKey() differs by everything that decides the layers', () => {
  const keys = [
    keyWith({}),
    keyWith({ layerScheme: 'original' }),
    keyWith({ layerScheme: 'original' }, snapshot),
    keyWith({ layerScheme: 'original' }, { ...snapshot, version: '2' }),
    keyWith({ layerBudget: 93 }),
    keyWith({ compression: { codec: 'gzip', level: 6 } }),
    keyWith({ compression: { codec: 'zstd', level: 5 } }),
  ]
  assert.equal(new Set(keys).size, keys.length)
  assert.equal(keyWith({}), keys[0])
})
