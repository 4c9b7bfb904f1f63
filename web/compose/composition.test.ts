import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as registry from '#core/oci/route.ts'
import {
  addPackage,
  componentsOf,
  compositionOf,
  emptyComposition,
  findMalformed,
  findObstacle,
  formatQuery,
  isTag,
  parseQuery,
  removePackage,
  spellPackage,
  type Composition,
} from './composition.ts'

const full: Composition = {
  source: 'ours',
  platform: 'arm64',
  shell: true,
  packages: ['git', 'python3packages.numpy'],
  tag: 'v1.2',
}

test('componentsOf() puts source and meta-packages before packages', () => {
  const expected = ['ours', 'arm64', 'shell', 'git', 'python3packages.numpy']
  assert.deepEqual(componentsOf(full), expected)
  assert.deepEqual(componentsOf(emptyComposition), ['shell'])
})

test('componentsOf() is empty when nothing would be in the image', () => {
  assert.deepEqual(componentsOf({ ...full, shell: false, packages: [] }), [])
})

test('compositionOf() reads what componentsOf() gave', () => {
  for (const composition of [
    full,
    emptyComposition,
    { ...full, source: '', shell: false, packages: ['git', 'shell'] },
  ]) {
    const name = componentsOf(composition).join('/')
    const tag = 'latest'
    assert.deepEqual(compositionOf(name, ['ours', '']), { ...composition, tag })
  }
  assert.deepEqual(compositionOf('ours/git', []).packages, ['ours', 'git'])
})

test('addPackage() adds each once, removePackage() takes it away', () => {
  const twice = addPackage(addPackage(emptyComposition, 'git'), 'git')
  assert.deepEqual(twice.packages, ['git'])
  assert.deepEqual(removePackage(twice, 'git').packages, [])
})

test('addPackage() takes a meta-package for the choice that it stands for', () => {
  const bare = { ...emptyComposition, shell: false }
  assert.deepEqual(addPackage(bare, 'shell'), emptyComposition)
  assert.deepEqual(addPackage({ ...bare, platform: 'amd64' }, 'arm64'), {
    ...bare,
    platform: 'arm64',
  })
})

test('findObstacle() finds what the service would refuse', () => {
  const packages = ['a'.repeat(127), 'b'.repeat(127)]
  const longest = { ...emptyComposition, shell: false, packages }
  assert.equal(findObstacle(longest), undefined)
  assert.match(findObstacle({ ...longest, shell: true }) ?? '', /261 characters/)
  assert.match(findObstacle({ ...full, tag: 'a b' }) ?? '', /tag/)
  assert.match(findObstacle({ ...emptyComposition, shell: false }) ?? '', /Choose/)
})

test('names and tags are what the service takes for them', () => {
  const texts = ['a', 'A', '-a', 'a-', 'a--b', 'a.b', 'a..b', 'a__b', 'a___b', '_', '1', 'é', '']
  for (const text of [...texts, 'a b', 'a/b', 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(256)]) {
    assert.equal(isTag(text), registry.isTag(text), text)
    const name = spellPackage(text)
    assert.ok(name === undefined || registry.isRepositoryName(name), text)
  }
})

const spellings: readonly (readonly [string, string | undefined])[] = [
  [' htop ', 'htop'],
  ['python3Packages.numpy', 'python3packages.numpy'],
  ['g++', 'gplusplus'],
  ['_7zz', '7zz'],
  ['', undefined],
  ['two words', undefined],
  ['a/b', undefined],
  ['<script>', undefined],
  ['a'.repeat(256), undefined],
]
for (const [text, expected] of spellings) {
  test(`spellPackage() spells ${JSON.stringify(text.slice(0, 30))}`, () =>
    assert.equal(spellPackage(text), expected))
}

test('parseQuery() reads what formatQuery() wrote', () => {
  for (const composition of [full, emptyComposition, { ...full, shell: false, platform: '' }]) {
    const query = formatQuery(composition as Composition)
    assert.deepEqual(parseQuery(query), { composition, leftOut: [] })
  }
  assert.equal(formatQuery(emptyComposition), '')
})

test('parseQuery() tells what it leaves out, and keeps a wrong tag', () => {
  const query = 'packages=git,<b>+HTOP&platform=vax&source=../x&tag=a/b&shell=maybe'
  assert.deepEqual(parseQuery(query), {
    composition: { ...emptyComposition, packages: ['git', 'htop'], tag: 'a/b' },
    leftOut: ['../x', 'vax', '<b>'],
  })
})

test('parseQuery() reads meta-packages that come first as a name does', () => {
  const { composition } = parseQuery('shell=off&packages=shell+arm64+git+shell')
  const expected = { ...emptyComposition, platform: 'arm64', packages: ['git', 'shell'] }
  assert.deepEqual(composition, expected)
})

test('findMalformed() says what is wrong with a name or a tag that no image has', () => {
  assert.equal(findMalformed('shell/git', 'v1'), undefined)
  for (const name of ['', 'Git', 'git//htop', '-git', '<img>', 'x'.repeat(256)])
    assert.match(findMalformed(name, 'latest') ?? '', /No image can have this name/)
  assert.match(findMalformed('git', 'v1/beta') ?? '', /No image can have this tag/)
})
