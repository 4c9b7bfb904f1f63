import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isGitAddress,
  isReferenceName,
  matchesTagPatterns,
  parseGitReference,
} from './git-reference.ts'

const commit = '0123456789abcdef0123456789abcdef01234567'

test('parseGitReference() tells the default branch, commits and names apart', () => {
  assert.deepEqual(parseGitReference('latest'), { kind: 'default' })
  assert.deepEqual(parseGitReference(commit), { kind: 'commit', commit })
  for (const name of ['main', 'v1.0', 'HEAD', commit.slice(1), commit.toUpperCase()])
    assert.deepEqual(parseGitReference(name), { kind: 'name', name })
})

test('parseGitReference() refuses what git calls no branch or tag', () => {
  const evil = ['a..b', 'main.lock', 'main.', '--upload-pack=touch', '-x', '', '@', 'a'.repeat(201)]
  for (const tag of evil) assert.deepEqual(parseGitReference(tag), { kind: 'invalid' }, tag)
})

test('isReferenceName() takes slashes, and no component that git refuses', () => {
  for (const name of ['release/24.05', 'a@b', 'ü']) assert.ok(isReferenceName(name), name)
  const refused = [
    '/a',
    'a/',
    'a//b',
    'a/.b',
    'a.lock/b',
    'a b',
    'a\nb',
    'a@{1}',
    'a~1',
    'a^',
    'a:b',
  ]
  for (const name of [...refused, 'a?', 'a*', '[a', 'a\\b', '\u007f'])
    assert.ok(!isReferenceName(name), name)
})

test('matchesTagPatterns() takes * for any text and knows case', () => {
  const matches = (pattern: string, tag: string) => matchesTagPatterns(['none', pattern], tag)
  assert.ok(matches('v1', 'v1'))
  assert.ok(matches('v*', 'v'))
  assert.ok(matches('*', 'anything'))
  assert.ok(matches('nixos-*-small', 'nixos-24.05-small'))
  assert.ok(matches('a*b*c', 'a.b.b.c'))
  assert.ok(!matches('v1', 'v10'))
  assert.ok(!matches('V*', 'v1'))
  assert.ok(!matches('ab*ba', 'aba'))
  assert.ok(!matches('a*b*c', 'a.c'))
  assert.ok(!matchesTagPatterns([], 'v1'))
})

test('isGitAddress() takes URLs, hosts with paths and absolute paths', () => {
  for (const text of [
    'https://git.example.org/a b.git',
    'ssh://git@git.example.org:22/~ada/set',
    'git@git.example.org:team/packages.git',
    'host:set',
    'git@[::1]:set',
    '/srv/set',
    'file:///srv/set',
  ])
    assert.ok(isGitAddress(text), text)
  for (const text of [
    '',
    '--upload-pack=x',
    'https://ada:pass/word@git.example.org/set',
    'https:/git.example.org/set',
    '-host:x',
    'set',
    './set',
    'a b',
    'ext::sh -c x',
    '/',
    'host:',
  ])
    assert.ok(!isGitAddress(text), text)
})
