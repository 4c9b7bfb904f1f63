import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findRefused, matchesNamePattern, namesOfPackage, strictPolicy } from './package-policy.ts'

test('matchesNamePattern() takes * as any text', () => {
  const cases: ReadonlyArray<readonly [pattern: string, name: string, matches: boolean]> = [
    ['git', 'git', true],
    ['git', 'gitfull', false],
    ['git*', 'gitfull', true],
    ['*git', 'git', true],
    ['python3packages.*', 'python3Packages.numpy', true],
    ['python3packages.*', 'python3packages', false],
    ['*-unwrapped', 'firefox-unwrapped', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'ac', false],
    ['ab*ba', 'aba', false],
    ['g++', 'gplusplus', true],
    ['*', '', true],
  ]
  for (const [pattern, name, matches] of cases)
    assert.equal(matchesNamePattern(pattern, name), matches, `${pattern} ${name}`)
})

test('findRefused() finds what is denied, or not allowed', () => {
  const request = (asked: readonly string[], implied: readonly string[] = []) => ({
    askedPackages: asked,
    packages: [...asked, ...implied],
  })
  const policy = { ...strictPolicy, allow: ['git*', 'jq'], deny: ['gitfull', 'nano'] }
  assert.equal(findRefused(strictPolicy, request(['anything'])), undefined)
  assert.equal(findRefused(policy, request(['git', 'jq'])), undefined)
  assert.equal(findRefused(policy, request(['git', 'curl'])), 'curl')
  assert.equal(findRefused(policy, request(['gitfull'])), 'gitfull')
  assert.equal(findRefused(policy, request(['git'], ['coreutils'])), undefined)
  assert.equal(findRefused(policy, request(['git'], ['nano'])), 'nano')
})

test('namesOfPackage() gives the ways to a package, its name, and its name without a version', () => {
  const check = (path: readonly string[], name: string, expected: readonly string[]) =>
    assert.deepEqual(namesOfPackage(path, name), expected)
  check(['git'], 'git-2.39', ['git', 'git-2.39', 'git'])
  check(['xorg', 'libX11', 'src'], 'libX11-1.8.tar', [
    'xorg',
    'xorg.libX11',
    'xorg.libX11.src',
    'libX11-1.8.tar',
    'libX11',
  ])
  check(['a'], 'gnu-hello', ['a', 'gnu-hello', 'gnu-hello'])
})
