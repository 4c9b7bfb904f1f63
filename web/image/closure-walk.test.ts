import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ViewedPath } from '#core/api/image-view.ts'
import { pathName, referrersOf, startsOf, wayTo } from './closure-walk.ts'

// git → perl → glibc, git → glibc, htop → ncurses → glibc; glibc refers to itself.
const closure: readonly ViewedPath[] = [
  { path: 'aaa-glibc', narSizeBytes: 1, references: [0] },
  { path: 'bbb-perl-5', narSizeBytes: 1, references: [0] },
  { path: 'ccc-git', narSizeBytes: 1, references: [0, 1] },
  { path: 'ddd-ncurses', narSizeBytes: 1, references: [0] },
  { path: 'eee-htop', narSizeBytes: 1, references: [3] },
]

test('pathName() leaves out the hash', () => {
  assert.deepEqual(closure.map(pathName), ['glibc', 'perl-5', 'git', 'ncurses', 'htop'])
})

test('referrersOf() turns references around', () => {
  assert.deepEqual(referrersOf(closure), [[1, 2, 3], [2], [], [4], []])
})

test('wayTo() finds the shortest way from a root', () => {
  assert.deepEqual(wayTo(closure, 0), [2, 0])
  assert.deepEqual(wayTo(closure, 1), [2, 1])
  assert.deepEqual(wayTo(closure, 3), [4, 3])
  assert.deepEqual(wayTo(closure, 4), [4])
})

test('wayTo() begins at what was asked for, where that is known', () => {
  const asked = closure
    .with(1, { ...closure[1]!, asked: true })
    .with(4, { ...closure[4]!, asked: true })
  assert.deepEqual([...startsOf(asked)], [1, 4])
  assert.deepEqual(wayTo(asked, 0), [1, 0])
  assert.deepEqual(wayTo(asked, 1), [1])
})

test('wayTo() ends in a cycle', () => {
  const cycle = [
    { path: 'a-a', narSizeBytes: 1, references: [1] },
    { path: 'b-b', narSizeBytes: 1, references: [0] },
  ]
  assert.deepEqual(wayTo(cycle, 0), [0])
})
