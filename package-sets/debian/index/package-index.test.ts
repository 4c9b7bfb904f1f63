import assert from 'node:assert/strict'
import { test } from 'node:test'

import { keepNewest, parseBinaryPackage, type BinaryPackage } from './binary-package.ts'
import { makePackageIndex } from './package-index.ts'
import { packageFixture, packagesFixture } from './package-fixture.ts'

test('makePackageIndex() makes one group of a cycle, named for its most wanted member', () => {
  const index = makePackageIndex(
    packagesFixture(
      packageFixture('app', { depends: 'libz' }),
      packageFixture('data', { depends: 'libz' }),
      packageFixture('libz', { depends: 'data, base' }),
      packageFixture('base'),
    ),
  )
  assert.deepEqual(
    [...index.groups],
    [['libz', { members: ['data', 'libz'], dependencies: ['base'] }]],
  )
  assert.deepEqual([...index.groupOf.keys()].sort(), ['data', 'libz'])
})

test('makePackageIndex() counts the interpreters and all they need to the foundation', () => {
  const index = makePackageIndex(
    packagesFixture(
      packageFixture('app', { depends: 'dash' }),
      packageFixture('dash', { depends: 'libc6' }),
      packageFixture('grep'),
      packageFixture('libc6'),
    ),
  )
  assert.deepEqual(index.foundation, {
    interpreters: ['dash'],
    shellPrograms: ['grep'],
    closure: ['dash', 'grep', 'libc6'],
  })
})

test('keepNewest() keeps the highest version in whatever order the lists come', () => {
  const old = packageFixture('a', { version: '1.9' })
  const newest = packageFixture('a', { version: '1.10' })
  for (const order of [
    [old, newest],
    [newest, old],
  ]) {
    const packages = new Map<string, BinaryPackage>()
    for (const each of order) keepNewest(packages, each)
    assert.equal(packages.get('a'), newest)
  }
})

test('parseBinaryPackage() refuses a stanza without what a download needs', () => {
  const stanza = new Map([
    ['package', 'a'],
    ['version', '1'],
    ['filename', 'pool/a.deb'],
    ['sha256', 'f'.repeat(64)],
    ['description', 'short\nlong'],
  ])
  assert.equal(parseBinaryPackage(stanza, 'main')?.description, 'short')
  for (const field of ['package', 'version', 'filename', 'sha256']) {
    const without = new Map(stanza)
    without.delete(field)
    assert.equal(parseBinaryPackage(without, 'main'), undefined, field)
  }
  assert.equal(parseBinaryPackage(new Map([...stanza, ['sha256', 'x']]), 'main'), undefined)
})
