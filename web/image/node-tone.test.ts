import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layerTone, sizeTone, sizeWords } from './node-tone.ts'

test('sizeTone() grows with the size, and every tone has words', () => {
  assert.deepEqual([0, 99_999, 100_000, 5e6, 10e6, 1e9].map(sizeTone), [0, 0, 1, 2, 3, 4])
  assert.deepEqual(sizeWords.slice(0, 2), ['below 100 kB', 'from 100 kB'])
  assert.equal(sizeWords.length, 5)
})

test('layerTone() gives neighbouring layers different colours', () => {
  assert.deepEqual([0, 1, 7, 8, 93].map(layerTone), [0, 1, 7, 0, 5])
})
