import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitReadable, fitWhole, reveal, zoom, type Lens } from './pan-zoom.ts'

const frame = { width: 400, height: 300 }
const under = (lens: Lens, x: number, y: number) => [
  (x - lens.x) / lens.scale,
  (y - lens.y) / lens.scale,
]

test('zoom() keeps what is under the pointer, and ends at its bounds', () => {
  const lens = { x: 10, y: 20, scale: 0.5 }
  const closer = zoom(lens, 2, { x: 100, y: 60 })
  assert.equal(closer.scale, 1)
  assert.deepEqual(under(closer, 100, 60), under(lens, 100, 60))
  assert.equal(zoom(lens, 1000, { x: 0, y: 0 }).scale, 3)
  assert.equal(zoom(lens, 0, { x: 0, y: 0 }).scale, 0.08)
})

test('fitWhole() shows all of a drawing, fitReadable() its top in words', () => {
  const wide = { width: 4000, height: 600 }
  const whole = fitWhole(wide, frame)
  assert.ok(whole.x >= 0 && whole.x + wide.width * whole.scale <= frame.width)
  assert.equal(fitReadable(wide, frame).scale, 0.75)
  assert.equal(fitReadable(wide, frame).y, 12)
  const small = { width: 100, height: 50 }
  assert.deepEqual(fitWhole(small, frame), { scale: 1, x: 150, y: 125 })
})

test('reveal() moves what is outside, and nothing else', () => {
  const lens = { x: 0, y: 0, scale: 1 }
  const box = { width: 40, height: 20 }
  assert.deepEqual(reveal(lens, { x: 200, y: 100 }, box, frame), lens)
  assert.deepEqual(reveal(lens, { x: 500, y: 100 }, box, frame), { x: -132, y: 0, scale: 1 })
  assert.deepEqual(reveal(lens, { x: 200, y: -50 }, box, frame), { x: 0, y: 72, scale: 1 })
})
