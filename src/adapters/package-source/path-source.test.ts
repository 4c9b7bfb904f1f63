import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readFile, realpath, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { plainGitEnvironment, runPlainGit } from '#test/sources/git-repository.ts'
import { expectPinned, expectSet } from '#test/sources/remote-source-options.ts'
import { createPathSource } from './path-source.ts'
import { SourceTrees } from './source-trees.ts'

const skip = skipUnless(['git'])
const signal = new AbortController().signal
const environment = plainGitEnvironment()

async function setUp(context: TestContext) {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'nixery-path-')))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const trees = await SourceTrees.open({ directory: join(directory, 'state'), environment })
  context.after(() => trees.close())
  const work = join(directory, 'work')
  const set = join(work, 'set')
  await mkdir(set, { recursive: true })
  await writeFile(join(set, 'default.nix'), '1')
  await writeFile(join(work, 'notes'), 'not part of the set')
  await runPlainGit(work, 'init', '--quiet')
  const git = (...args: readonly string[]) => runPlainGit(work, ...args)
  const commit = async () => {
    await git('add', '--all')
    await git('commit', '--quiet', '--allow-empty', '--message=x')
    return git('rev-parse', 'HEAD')
  }
  const open = (path: string) => createPathSource('', path, { trees, environment })
  const pin = async (path = set) => expectPinned(await open(path).pin('latest', signal))
  return { directory, work, set, git, commit, open, pin }
}

test('createPathSource() serves its path as latest, never from cache', async (context) => {
  const { set } = await setUp(context)
  const source = createPathSource('', set, { environment })
  const pinned = expectPinned(await source.pin('latest', signal))
  assert.deepEqual(pinned, {
    source: '',
    revision: 'local-files',
    identity: `path:${set}`,
    fixed: false,
  })
  const fetched = expectSet(await source.fetch(pinned, signal))
  assert.deepEqual(fetched, {
    identity: `path:${set}`,
    fixed: false,
    entry: set,
    readablePaths: [set],
  })
  const file = createPathSource('', join(set, 'default.nix'), { environment })
  const { entry, readablePaths } = expectSet(await file.fetch(pinned, signal))
  assert.deepEqual([entry, ...readablePaths], [join(set, 'default.nix'), join(set, 'default.nix')])
})

test('createPathSource() says which tags make sense', async () => {
  const pin = await createPathSource('', '/set', { environment }).pin('v1', signal)
  assert.equal(pin.kind, 'unknown-tag')
  assert.match(pin.kind === 'unknown-tag' ? pin.message : '', /v1.*latest/)
})

test(
  'createPathSource() pins what is committed, and serves a copy of it',
  { skip },
  async (context) => {
    const { set, work, commit, git, open, pin } = await setUp(context)
    assert.equal((await pin()).fixed, false, 'no commit')
    const first = await commit()
    const source = open(set)
    const pinned = expectPinned(await source.pin('latest', signal))
    assert.equal(pinned.revision, first)
    assert.equal(pinned.fixed, true)
    assert.equal(pinned.identity, `git-tree:${await git('rev-parse', 'HEAD:set')}`)

    await writeFile(join(set, 'default.nix'), '2')
    const fetched = expectSet(await source.fetch(pinned, signal))
    assert.equal(await readFile(join(fetched.entry, 'default.nix'), 'utf8'), '1')
    assert.equal((await pin()).fixed, false, 'an edit')
    await git('checkout', '--quiet', '.')
    await writeFile(join(work, 'notes'), 'an edit elsewhere')
    assert.deepEqual(await pin(), pinned)
    await commit()
    assert.equal((await pin()).identity, pinned.identity, 'the same files')
  },
)

test(
  'createPathSource() pins nothing that differs from the commit in any way',
  { skip },
  async (context) => {
    const { directory, work, set, git, commit, pin } = await setUp(context)
    await writeFile(join(work, '.gitignore'), 'ignored\n')
    await commit()
    await writeFile(join(set, 'ignored'), '')
    assert.ok((await pin()).fixed)
    await writeFile(join(set, 'untracked'), '')
    assert.ok(!(await pin()).fixed)
    assert.ok((await pin(join(set, 'default.nix'))).fixed, 'of a file only the file counts')
    await git('add', 'set/untracked')
    assert.ok(!(await pin()).fixed)
    await git('reset', '--quiet', '--hard')
    assert.ok((await pin()).fixed)
    await mkdir(join(work, 'ignored'))
    await writeFile(join(work, 'ignored', 'default.nix'), '')
    assert.ok(!(await pin(join(work, 'ignored'))).fixed, 'a directory that git ignores')
    assert.ok(!(await pin(directory)).fixed, 'a directory that is in no repository')
    assert.ok(!(await pin(join(directory, 'none'))).fixed)
    await writeFile(join(work, '.gitmodules'), '')
    await commit()
    assert.ok(!(await pin()).fixed, 'submodules')
  },
)

test('createPathSource() serves a file of a committed directory', { skip }, async (context) => {
  const { set, commit, open } = await setUp(context)
  await commit()
  const source = open(join(set, 'default.nix'))
  const pinned = expectPinned(await source.pin('latest', signal))
  assert.ok(pinned.identity.endsWith(':default.nix'))
  await writeFile(join(set, 'default.nix'), '2')
  const { entry, readablePaths } = expectSet(await source.fetch(pinned, signal))
  assert.equal(await readFile(entry, 'utf8'), '1')
  assert.deepEqual(readablePaths, [entry])
})

test(
  'createPathSource() sees an edit that was made before the pull, however many pull',
  { skip },
  async (context) => {
    const { set, commit, open } = await setUp(context)
    await commit()
    const source = open(set)
    const pins = [source.pin('latest', signal), source.pin('latest', signal)]
    await writeFile(join(set, 'default.nix'), 'edited')
    pins.push(source.pin('latest', signal), source.pin('latest', signal))
    const [, , ...later] = await Promise.all(pins)
    assert.deepEqual(
      later.map((pin) => expectPinned(pin).fixed),
      [false, false],
    )
  },
)

const asRoot = skip || (process.getuid?.() !== 0 && 'only root gives files away')

test(
  'createPathSource() runs nothing that the repository of another user names',
  { skip: asRoot },
  async (context) => {
    const { work, set, git, commit, pin } = await setUp(context)
    await writeFile(join(work, 'default.nix'), '')
    await writeFile(join(work, '.gitattributes'), '* filter=theirs')
    await commit()
    const proof = join(work, '..', 'ran')
    await git('config', 'filter.theirs.clean', `touch ${proof}; cat`)
    // git looks at the content, by way of the filter, where times say nothing.
    await utimes(join(work, 'default.nix'), 0, 0)
    const names = await git('ls-files', '-z')
    for (const name of ['.git', '', ...names.split('\0')])
      await chown(join(work, name), 65534, 65534)
    assert.ok(!(await pin(work)).fixed)
    assert.ok(!(await pin(set)).fixed)
    assert.ok(!existsSync(proof))
  },
)
