import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { compareDebianVersions, satisfiesRelation } from './debian-version.ts'

// Oldest first.
const ordered = [
  ['~~', '~~a', '~', '', 'a'],
  ['1.0~beta1~svn1245', '1.0~beta1', '1.0'],
  ['0:1', '1:0'],
  ['1.2.3-1', '1.2.3-1+b1', '1.2.3-2', '1.2.3-10', '1.2.4-1'],
  ['1.0-1', '1.0-1+deb12u1', '1.0-1.1'],
  ['2+', '2.9', '2.10', '2.a'],
  ['1-1', '1.1-1', '1.1-1-1'],
  ['20230310235959000001', '20230311101112131415', '20230311101112131416'],
  ['5.36.0-7', '5.36.0-7+deb12u3', '5.36.0-7+deb12u4', '5.36.0-7.1'],
]

test('compareDebianVersions() orders as the policy does', () => {
  for (const versions of ordered) {
    for (const [i, a] of versions.entries()) {
      for (const [j, b] of versions.entries()) {
        assert.equal(Math.sign(compareDebianVersions(a, b)), Math.sign(i - j), `${a} and ${b}`)
      }
    }
  }
})

test('compareDebianVersions() finds versions equal that differ in meaningless zeros', () => {
  for (const [a, b] of [
    ['0:1.0', '1.0'],
    ['1.01', '1.1'],
    ['1.0-0', '1.0'],
    ['a0', 'a'],
  ] as const) {
    assert.equal(compareDebianVersions(a, b), 0, `${a} and ${b}`)
  }
})

const versions = fc
  .tuple(
    fc.option(fc.nat({ max: 3 }), { nil: undefined }),
    fc.string({ unit: fc.constantFrom('0', '1', 'a', '~', '.', '+', '-'), maxLength: 6 }),
  )
  .map(([epoch, rest]) => (epoch === undefined ? `1${rest}` : `${epoch}:1${rest}`))

test('compareDebianVersions() is a total preorder', () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      assert.ok(
        Math.sign(compareDebianVersions(a, b)) + Math.sign(compareDebianVersions(b, a)) === 0,
      )
      if (compareDebianVersions(a, b) <= 0 && compareDebianVersions(b, c) <= 0) {
        assert.ok(compareDebianVersions(a, c) <= 0)
      }
    }),
  )
})

test('satisfiesRelation() knows the five relations', () => {
  const satisfied = (version: string) =>
    (['<<', '<=', '=', '>=', '>>'] as const).filter((each) => satisfiesRelation(version, each, '2'))
  assert.deepEqual(satisfied('1'), ['<<', '<='])
  assert.deepEqual(satisfied('2'), ['<=', '=', '>='])
  assert.deepEqual(satisfied('3'), ['>=', '>>'])
})
