import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LayerProgress } from '#core/api/build-progress.ts'
import { describeLayer, fractionDone, layerRows, sumLayers } from './layer-rows.ts'

function layer(narSizeBytes: number, changes: Partial<LayerProgress> = {}): LayerProgress {
  return { storePaths: ['a'], narSizeBytes, state: 'waiting', archivedBytes: 0, ...changes }
}

test('layerRows() gives every layer a place once, the large ones first', () => {
  const layers = Array.from({ length: 94 }, (_, index) => layer((index * 37) % 94))
  const { large, small } = layerRows(layers, false)
  assert.equal(large.length, 12)
  const indexes = [...large, ...small].map(({ index }) => index)
  assert.deepEqual(
    indexes.toSorted((a, b) => a - b),
    layers.map((_, index) => index),
  )
  const least = Math.min(...large.map(({ narSizeBytes }) => narSizeBytes))
  assert.ok(small.every(({ narSizeBytes }) => narSizeBytes <= least))
})

test('layerRows() leaves no few small ones', () => {
  const layers = Array.from({ length: 15 }, (_, index) => layer(index))
  assert.deepEqual(layerRows(layers, false).small, [])
  assert.equal(layerRows([...layers, layer(1)], false).small.length, 4)
})

test('layerRows() leaves nothing at work when the build has ended', () => {
  const packing = layer(40, { state: 'packing', archivedBytes: 20 })
  const layers = [
    packing,
    layer(30),
    layer(20, { state: 'packed' }),
    layer(10, { state: 'reused' }),
  ]
  const states = layerRows(layers, true).large.map(({ state }) => state)
  assert.deepEqual(states, ['unpacked', 'unpacked', 'packed', 'reused'])
  assert.equal(fractionDone(layerRows(layers, true).large[0]!), 0)
})

test('sumLayers() counts what is done, never more than there is', () => {
  const layers = [
    layer(100, { state: 'packed', archivedBytes: 110 }),
    layer(50, { state: 'reused' }),
    layer(40, { state: 'packing', archivedBytes: 45 }),
    layer(10),
  ]
  assert.deepEqual(sumLayers(layers), { done: 2, reused: 1, doneBytes: 190, allBytes: 200 })
})

test('fractionDone() is whole for what is done, however small', () => {
  assert.equal(fractionDone(layer(0, { state: 'reused' })), 1)
  assert.equal(fractionDone(layer(0)), 0)
  assert.equal(fractionDone(layer(100, { state: 'packing', archivedBytes: 25 })), 0.25)
  assert.equal(fractionDone(layer(100, { state: 'packing', archivedBytes: 110 })), 1)
})

test('describeLayer() names the first store path', () => {
  assert.equal(describeLayer({ storePaths: [] }), 'root file system')
  assert.equal(describeLayer({ storePaths: ['git'] }), 'git')
  assert.equal(describeLayer({ storePaths: ['git', 'a', 'b'] }), 'git and 2 more')
})
