import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ListedPackage } from '#engine/ports/package-search.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { IndexWriter } from './index-writer.ts'
import { PackageIndex } from './package-index.ts'

const [amd64, arm64] = ['linux/amd64', 'linux/arm64']
const platforms = [amd64, arm64]
const facts = { identity: 'set', revision: 'one', platforms, listedAtMs: 1, isProvisional: true }

const descriptions: Readonly<Record<string, string>> = {
  git: 'fast, scalable, distributed revision control system',
  gita: 'command-line tool to manage multiple git repos',
  'git-lfs': 'Git Large File Support',
  legit: 'complementary command-line interface for Git',
  'libgit2-dev': 'low-level Git library',
  htop: 'interactive processes viewer',
  tig: 'ncurses-based text-mode interface for Git',
  python3: 'interactive high-level object-oriented language',
  'python3.11': 'Interactive high-level object-oriented language (version 3.11)',
  'python3-numpy': 'Fast array facility to the Python 3 language',
  'python3packages.numpy': 'Fast array facility to the Python 3 language',
  'libnumpy-dev': 'of C++ headers',
  gplusplus: 'GNU C++ compiler',
  libstdcplusplus6: 'GNU Standard C++ Library v3',
  go: 'Go programming language compiler',
  'golang-go': 'Go programming language compiler',
  mango: 'a fruit',
  'fonts-äpfel': 'Schöne Äpfel "in" quotes',
}

const packages: readonly ListedPackage[] = Object.entries(descriptions).map(
  ([name, description]) => ({ name, attributePath: name, version: '1.0', description }),
)

/** An index of what is listed for amd64, and more for arm64. */
async function openIndex(listed: readonly ListedPackage[], more: readonly ListedPackage[] = []) {
  let finished: number
  const directory = await makeScratchDirectory()
  const path = join(directory.path, 'index.sqlite')
  {
    using writer = new IndexWriter(path)
    writer.add(amd64, listed.slice(0, 3))
    writer.add(amd64, listed.slice(3))
    writer.add(arm64, more)
    finished = writer.finish(facts)
  }
  const index = new PackageIndex(path)
  return {
    index,
    path,
    finished,
    async [Symbol.asyncDispose]() {
      index[Symbol.dispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

test('find() gives what is called so, then names that begin so, then names, then descriptions', async () => {
  await using opened = await openIndex(packages)
  const check = (typed: string, ...expected: readonly string[]) =>
    assert.deepEqual(
      opened.index.find(typed, 10).map(({ name }) => name),
      expected,
      typed,
    )
  check('git', 'git', 'gita', 'git-lfs', 'legit', 'libgit2-dev', 'tig')
  check('pyth', 'python3', 'python3.11', 'python3-numpy', 'python3packages.numpy')
  check('python3.1', 'python3.11')
  check('numpy', 'libnumpy-dev', 'python3-numpy', 'python3packages.numpy')
  check('  NumPy  ', 'libnumpy-dev', 'python3-numpy', 'python3packages.numpy')
  check('python3Packages.numpy', 'python3packages.numpy')
  check('python3 num', 'python3-numpy', 'python3packages.numpy')
  check('dev git', 'libgit2-dev')
  check('array language', 'python3-numpy', 'python3packages.numpy')
  check('interactive -viewer', 'htop')
  check('go', 'go', 'golang-go')
  check('g++', 'gplusplus')
  check('c++', 'libstdcplusplus6', 'gplusplus', 'libnumpy-dev')
  check('schone apfel', 'fonts-äpfel')
  check('g lib', 'libgit2-dev', 'libstdcplusplus6')
  check('git nowhere')
  // Two letters count: more of them would be looked up for long, and find hardly less.
  check('f l q', 'legit', 'git-lfs', 'python3-numpy', 'python3packages.numpy')
  check('libgit2 '.repeat(50), 'libgit2-dev')
  check('.')
  check('-')
  check('')
})

test('find() gives what any platform has, as the first of them has it', async () => {
  const git = { name: 'git', attributePath: 'git', version: '2.0', description: 'of arm' }
  const box = { name: 'box64', attributePath: 'box64', description: 'runs what is for amd64' }
  await using opened = await openIndex(packages, [box, git])
  const { index, finished } = opened
  assert.equal(finished, packages.length + 1)
  assert.deepEqual(index.find('box64', 5), [{ ...box, platforms: [arm64] }])
  const [found] = index.find('git', 1)
  assert.deepEqual(found, { ...packages[0], platforms })
})

test('near() gives what somebody may have meant, unless something is called so', async () => {
  await using opened = await openIndex([
    ...packages,
    { name: 'ghcpackages.haskell', attributePath: 'ghcPackages.haskell' },
  ])
  const check = (typed: string, ...expected: readonly string[]) =>
    assert.deepEqual(
      opened.index.near(typed).map(({ name }) => name),
      expected,
      typed,
    )
  check('htpo', 'htop')
  check('Pyhton3', 'python3')
  check('gti', 'git')
  check('python3 nmupy', 'python3-numpy')
  check('python313packages.numpy', 'python3packages.numpy')
  check('othersofpython.numpy', 'libnumpy-dev', 'python3-numpy', 'python3packages.numpy')
  check('hasekll', 'ghcpackages.haskell')
  check('haskell')
  check('git')
  check('nothing-like-it')
  check('')
  check('"')
  check('l'.repeat(1000))
  assert.deepEqual(opened.index.near('htpo')[0]?.platforms, [amd64])
})

test('namesBeginning() gives the shortest names first', async () => {
  await using opened = await openIndex(packages)
  const { index } = opened
  assert.deepEqual(index.namesBeginning('git', 9), ['git', 'gita', 'git-lfs'])
  assert.deepEqual(index.namesBeginning('python3', 2), ['python3', 'python3.11'])
  assert.equal(index.namesBeginning('', 99).length, packages.length)
  for (const prefix of ['G', 'git%', '_it', 'zzz', '~']) {
    assert.deepEqual(index.namesBeginning(prefix, 9), [], prefix)
  }
})

test('find() keeps to what was asked for', async () => {
  await using opened = await openIndex(packages)
  const names = (most: number) => opened.index.find('git', most).map(({ name }) => name)
  assert.deepEqual(names(2), ['git', 'gita'])
  assert.deepEqual(names(0), [])
  assert.deepEqual(
    opened.index.find('htop', 5),
    packages.filter(({ name }) => name === 'htop').map((it) => ({ ...it, platforms: [amd64] })),
  )
  assert.deepEqual(opened.index.facts, facts)
})

test('find() takes whatever is typed for words, and never for the language of the search', async () => {
  const bare = { name: 'bare', attributePath: 'Bare' }
  await using opened = await openIndex([bare, ...packages])
  const { index } = opened
  assert.deepEqual(index.find('bare', 5), [{ ...bare, platforms: [amd64] }])
  const operators = [
    '"',
    'git"',
    'git AND',
    'OR',
    'NOT git',
    'NEAR(git, 2)',
    'name:git',
    '^git',
    '*',
  ]
  const hostile = [
    "'; DROP TABLE packages; --",
    '\0git\0',
    '\ud800',
    '{a b}: c',
    '+',
    '#',
    '(',
    '\\',
    '%',
    '?1',
  ]
  for (const typed of [...operators, ...hostile]) index.find(typed, 5)
  for (const typed of ['git OR htop', 'name : git', 'git*htop', 'NOT htop'])
    assert.deepEqual(index.find(typed, 5), [], typed)
  assert.equal(index.find('"git"', 1)[0]?.name, 'git')
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(fc.constantFrom(...operators, ...hostile, ' ', 'git', 'c++')).map((it) => it.join('')),
  )
  fc.assert(fc.property(text, (typed) => assert.ok(index.find(typed, 5).length <= 5)))
  assert.equal(index.find('git', 5).length, 5)
})

test('an index that is damaged gives an error, when it is opened or when it is searched', async () => {
  for (const sizeBytes of [0, 10, 5000, 20_000]) {
    await using opened = await openIndex(
      Array.from({ length: 2000 }, (_, index) => ({
        name: `package-${index}`,
        attributePath: `package-${index}`,
        description: `number ${index} of many`,
      })),
    )
    await truncate(opened.path, sizeBytes)
    assert.throws(() => {
      using damaged = new PackageIndex(opened.path)
      damaged.find('package many', 50)
    }, `${sizeBytes}`)
  }
})
