import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBuildPath, formatImagePath, parseRoute, type Route } from './route.ts'

const routes: readonly (readonly [string, Route])[] = [
  ['/', { kind: 'compose' }],
  ['/builds', { kind: 'builds' }],
  ['/builds/', { kind: 'builds' }],
  ['/builds/0123456789ab', { kind: 'build', id: '0123456789ab' }],
  ['/images/shell/git', { kind: 'image', name: 'shell/git' }],
  ['/images/shell/git/', { kind: 'image', name: 'shell/git' }],
  ['/images/%3Cscript%3E', { kind: 'image', name: '<script>' }],
  ['/images/%ff', { kind: 'image', name: '%ff' }],
  ['/images', { kind: 'unknown' }],
  ['/elsewhere', { kind: 'unknown' }],
]

for (const [path, expected] of routes) {
  test(`parseRoute() reads ${path}`, () => assert.deepEqual(parseRoute(path), expected))
}

test('parseRoute() reads what was formatted', () => {
  for (const name of ['shell/git', 'a?b/c#d', '%', 'ü/<b>']) {
    const { pathname } = new URL(formatImagePath(name, 'v1', 'linux/arm64'), 'http://page')
    assert.deepEqual(parseRoute(pathname), { kind: 'image', name })
  }
  assert.deepEqual(parseRoute(formatBuildPath('a/b')), { kind: 'build', id: 'a/b' })
})

test('formatImagePath() leaves out what is usual', () => {
  assert.equal(formatImagePath('shell/git'), '/images/shell/git')
  assert.equal(
    formatImagePath('git', 'v1', 'linux/arm64'),
    '/images/git?tag=v1&platform=linux%2Farm64',
  )
})
