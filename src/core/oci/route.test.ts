import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { digestOf } from './digest.ts'
import { isRepositoryName, parseRoute } from './route.ts'

const digest = digestOf('x')
const longName = 'a'.repeat(255)

function check(path: string, expected: string): void {
  assert.equal(describe(path), expected, path)
}

function describe(path: string): string {
  const route = parseRoute(path)
  switch (route.kind) {
    case 'manifest':
      return `manifest ${route.name} ${route.reference.kind === 'tag' ? route.reference.tag : 'digest'}`
    case 'blob':
    case 'tags':
    case 'upload':
      return `${route.kind} ${route.name}`
    case 'malformed':
      return route.code
    default:
      return route.kind
  }
}

test('parseRoute() reads every route of the specification', () => {
  check('/v2', 'base')
  check('/v2/', 'base')
  check('/v2/shell/git/manifests/latest', 'manifest shell/git latest')
  check('/v2/shell%2Fgit/manifests/latest', 'manifest shell/git latest')
  check(`/v2/shell/git/manifests/${digest}`, 'manifest shell/git digest')
  check(`/v2/shell/git/manifests/${digest.replace(':', '%3A')}`, 'manifest shell/git digest')
  check(`/v2/git/blobs/${digest}`, 'blob git')
  check('/v2/git/tags/list', 'tags git')
  check('/v2/git/blobs/uploads/', 'upload git')
  check('/v2/git/blobs/uploads', 'upload git')
  check('/v2/a/git/blobs/uploads/4f2e', 'upload a/git')
})

test('parseRoute() lets components be called like routes', () => {
  check('/v2/manifests/manifests/latest', 'manifest manifests latest')
  check(`/v2/blobs/blobs/${digest}`, 'blob blobs')
  check('/v2/tags/list/tags/list', 'tags tags/list')
  check('/v2/a/blobs/uploads/manifests/latest', 'manifest a/blobs/uploads latest')
})

test('parseRoute() names what is malformed', () => {
  check('/v2/Git/manifests/latest', 'NAME_INVALID')
  check('/v2/a//b/manifests/latest', 'NAME_INVALID')
  check('/v2/a..b/manifests/latest', 'NAME_INVALID')
  check('/v2/-a/manifests/latest', 'NAME_INVALID')
  check('/v2/a%20b/manifests/latest', 'NAME_INVALID')
  check('/v2/%zz/manifests/latest', 'NAME_INVALID')
  check('/v2/a/manifests/.tag', 'MANIFEST_INVALID')
  check(`/v2/a/manifests/${'t'.repeat(129)}`, 'MANIFEST_INVALID')
  check('/v2/a/manifests/', 'MANIFEST_INVALID')
  check('/v2/a/manifests/sha256:abc', 'DIGEST_INVALID')
  check(`/v2/a/manifests/${digest.toUpperCase()}`, 'DIGEST_INVALID')
  check(`/v2/a/blobs/${digest}0`, 'DIGEST_INVALID')
  check(`/v2/${longName}/manifests/latest`, `manifest ${longName} latest`)
  check(`/v2/${longName}a/manifests/latest`, 'NAME_INVALID')
})

test('parseRoute() knows no other path', () => {
  for (const path of [
    '/',
    '',
    '/v1/',
    '/v2x',
    '/v2/git',
    '/v2//manifests/latest',
    '/v2/git/tags/all',
    '/v2/_catalog',
  ]) {
    check(path, 'unknown')
  }
})

test('parseRoute() is total and only gives legal names', () => {
  const segment = fc.oneof(
    fc.constantFrom(
      'manifests',
      'blobs',
      'tags',
      'list',
      'uploads',
      'latest',
      digest,
      '%3A',
      '%',
      'git',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(segment), (segments) => {
      const route = parseRoute(`/v2/${segments.join('/')}`)
      if ('name' in route) assert.ok(isRepositoryName(route.name))
    }),
  )
})
