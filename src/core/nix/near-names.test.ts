import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { editDistance, nearNames } from './near-names.ts'

test('nearNames() suggests what people mean, nearest first', () => {
  const names = [
    'git',
    'gitFull',
    'gist',
    'htop',
    'btop',
    'nodejs',
    'python3',
    'g++',
    '_7zz',
    'jq',
    'bti',
    'gri',
  ]
  const suggestions = new Map([
    ['gti', ['git', 'gri', 'bti']],
    ['htpo', ['htop']],
    ['gittfull', ['gitfull']],
    ['nodejss', ['nodejs']],
    ['pytohn3', ['python3']],
    ['gpluspluss', ['gplusplus']],
    ['7z', ['7zz']],
    ['top', ['btop', 'htop']],
    ['qj', ['jq']],
    ['entirely-different', []],
  ])
  for (const [wanted, expected] of suggestions) {
    assert.deepEqual(nearNames(wanted, names), expected, wanted)
  }
})

test('nearNames() gives three names at most, whatever their order', () => {
  const names = ['aab', 'aac', 'aad', 'aae']
  assert.deepEqual(nearNames('aaa', names), ['aab', 'aac', 'aad'])
  assert.deepEqual(nearNames('aaa', names.toReversed()), ['aab', 'aac', 'aad'])
})

test('editDistance() counts a swap of neighbours as one step', () => {
  assert.equal(editDistance('ab', 'ba', 3), 1)
  assert.equal(editDistance('kitten', 'sitting', 3), 3)
  assert.equal(editDistance('kitten', 'sitting', 2), undefined)
  assert.equal(editDistance('', 'abc', 3), 3)
})

test('editDistance() agrees with the definition, and the bound only hides', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 })
  fc.assert(
    fc.property(word, word, fc.nat(8), (a, b, bound) => {
      const distance = definedDistance(a, b)
      assert.equal(editDistance(a, b, bound), distance <= bound ? distance : undefined)
    }),
  )
})

/** Optimal string alignment by its recursive definition. */
function definedDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const same = a.at(-1) === b.at(-1)
  const swapped = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)
  return Math.min(
    definedDistance(a.slice(0, -1), b) + 1,
    definedDistance(a, b.slice(0, -1)) + 1,
    definedDistance(a.slice(0, -1), b.slice(0, -1)) + (same ? 0 : 1),
    swapped ? definedDistance(a.slice(0, -2), b.slice(0, -2)) + 1 : Infinity,
  )
}
