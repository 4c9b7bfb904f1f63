import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutClosure } from './closure-cut.ts'

const path = (name: string, narSizeBytes: number, references: readonly number[]) => ({
  path: `hash-${name}`,
  narSizeBytes,
  references,
})

// git → perl → zlib → glibc, git → glibc; htop → ncurses → glibc. Glibc refers to itself.
const closure = [
  path('glibc', 50, [0]),
  path('zlib', 1, [0]),
  path('perl', 30, [0, 1]),
  path('git', 20, [0, 2]),
  path('ncurses', 3, [0]),
  path('htop', 2, [4]),
]
const [glibc, zlib, perl, git, ncurses, htop] = closure.keys()

test('cutClosure() draws no line that a way of others says', () => {
  const { places, lines, leftOut } = cutClosure(closure, 10, undefined)
  assert.deepEqual(new Set(places), new Set(closure.keys()))
  assert.equal(leftOut, 0)
  assert.deepEqual(new Set(lines.map(String)), new Set(['1,0', '2,1', '3,2', '4,0', '5,4']))
})

test('cutClosure() keeps what nothing refers to and the largest, and lines over what it leaves out', () => {
  const { places, lines, leftOut, leftOutBytes } = cutClosure(closure, 4, undefined)
  assert.deepEqual(places, [git, htop, glibc, perl])
  assert.deepEqual([leftOut, leftOutBytes], [2, 4])
  assert.deepEqual(lines, [
    [git, perl],
    [htop, glibc],
    [perl, glibc],
  ])
})

test('cutClosure() tells whether all that the image was made for is drawn', () => {
  assert.equal(cutClosure(closure, 4, undefined).hasAllStarts, true)
  assert.equal(cutClosure(closure, 2, undefined).hasAllStarts, false)
  // Htop does not belong there.
  assert.equal(cutClosure(closure, 2, perl).hasAllStarts, true)
})

test('cutClosure() draws around a place what needs it and what it needs', () => {
  const around = cutClosure(closure, 10, zlib)
  assert.deepEqual(around.places, [zlib, git, glibc, perl])
  assert.equal(around.leftOut, 0)
  assert.deepEqual(cutClosure(closure, 1, ncurses).places, [ncurses])
})

test('cutClosure() keeps the lines of a cycle', () => {
  const cycle = [path('a', 1, [1]), path('b', 1, [0])]
  assert.deepEqual(cutClosure(cycle, 10, undefined).lines, [
    [0, 1],
    [1, 0],
  ])
})
