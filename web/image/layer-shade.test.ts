import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layerShade, shadeWords } from './layer-shade.ts'

test('layerShade() grows with the images that share a layer, and every shade has words', () => {
  const shades = [0, 1, 2, 5, 6, 20, 21, 1e6].map(layerShade)
  assert.deepEqual(shades, [0, 1, 2, 2, 3, 3, 4, 4])
  assert.equal(shadeWords.length, 5)
})
