import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addPackage,
  componentsOf,
  compositionOf,
  emptyComposition,
  formatQuery,
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
    assert.deepEqual(parseQuery(formatQuery(composition as Composition)), composition)
  }
  assert.equal(formatQuery(emptyComposition), '')
})

test('parseQuery() leaves out what makes no sense', () => {
  const query = 'packages=git,<b>+HTOP&platform=vax&source=../x&tag=a/b&shell=maybe'
  assert.deepEqual(parseQuery(query), { ...emptyComposition, packages: ['git', 'htop'] })
})
