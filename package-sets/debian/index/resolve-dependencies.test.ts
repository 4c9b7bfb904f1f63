import assert from 'node:assert/strict'
import { test } from 'node:test'

import { packageFixture, packagesFixture } from './package-fixture.ts'
import { resolveDependencies } from './resolve-dependencies.ts'

test('resolveDependencies() takes the first alternative that the archive has', () => {
  const { dependencies } = resolveDependencies(
    packagesFixture(
      packageFixture('app', { depends: 'gone | tool, tool | other' }),
      packageFixture('tool'),
      packageFixture('other'),
    ),
  )
  assert.deepEqual(dependencies.get('app'), ['tool'])
})

test('resolveDependencies() passes over an alternative whose version is out of bounds', () => {
  const { dependencies } = resolveDependencies(
    packagesFixture(
      packageFixture('app', { depends: 'tool (>= 2) | other' }),
      packageFixture('tool', { version: '1' }),
      packageFixture('other'),
    ),
  )
  assert.deepEqual(dependencies.get('app'), ['other'])
})

test('resolveDependencies() chooses the most basic provider of a virtual package', () => {
  const { dependencies } = resolveDependencies(
    packagesFixture(
      packageFixture('app', { depends: 'awk' }),
      packageFixture('gawk', { provides: 'awk' }),
      packageFixture('mawk', { provides: 'awk', priority: 'required' }),
    ),
  )
  assert.deepEqual(dependencies.get('app'), ['mawk'])
})

test('resolveDependencies() wants a version of a provider when the dependency has a bound', () => {
  const packages = packagesFixture(
    packageFixture('app', { depends: 'api (= 5)' }),
    packageFixture('a', { provides: 'api' }),
    packageFixture('b', { provides: 'api (= 4)' }),
    packageFixture('c', { provides: 'api (= 5)' }),
  )
  assert.deepEqual(resolveDependencies(packages).dependencies.get('app'), ['c'])
})

test('resolveDependencies() leaves out what only maintainer scripts need', () => {
  const packages = packagesFixture(
    packageFixture('app', { depends: 'debconf (>= 0.5) | debconf-2.0, adduser, tool' }),
    packageFixture('debconf'),
    packageFixture('adduser'),
    packageFixture('tool'),
  )
  assert.deepEqual(resolveDependencies(packages).dependencies.get('app'), ['tool'])
})

test('resolveDependencies() adds what essential packages would bring', () => {
  const packages = packagesFixture(packageFixture('libtinfo6'), packageFixture('ncurses-base'))
  assert.deepEqual(resolveDependencies(packages).dependencies.get('libtinfo6'), ['ncurses-base'])
  const compiler = packagesFixture(packageFixture('gcc'), packageFixture('libc6-dev'))
  assert.deepEqual(resolveDependencies(compiler).dependencies.get('gcc'), ['libc6-dev'])
})

test('resolveDependencies() counts what no package satisfies', () => {
  const packages = packagesFixture(packageFixture('app', { depends: 'gone, app' }))
  const { dependencies, unsatisfiedCount } = resolveDependencies(packages)
  assert.deepEqual(dependencies.get('app'), [])
  assert.equal(unsatisfiedCount, 1)
})
