import assert from 'node:assert/strict'
import { mkdir, readFile, realpath, rename, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { FlakeInputs, PinOutcome } from '#engine/ports/package-source.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { makeGitRepository, runPlainGit } from '#test/sources/git-repository.ts'
import { startGitDaemon } from '#test/sources/git-servers.ts'
import { expectPinned, expectSet, makeSourceSite } from '#test/sources/remote-source-options.ts'
import { createGitSource, type GitSourceOptions } from './git-source.ts'

const skip = skipUnless(['git', 'flock'])
const signal = new AbortController().signal

async function setUp(context: TestContext) {
  const site = await makeSourceSite(context)
  const served = join(site.directory, 'served')
  const repository = await makeGitRepository(join(served, 'set.git'))
  const first = await repository.commit('main', { 'default.nix': '1' })
  const start = async (options: Partial<GitSourceOptions> = {}) => {
    const source = createGitSource({ ...(await site.start()), url: repository.path, ...options })
    context.after(() => source.close())
    return source
  }
  /** Takes the origin away, and gives it back. */
  const hide = () => rename(served, `${served}.hidden`)
  const show = () => rename(`${served}.hidden`, served)
  return { site, served, repository, first, start, hide, show }
}

function messageOf(outcome: PinOutcome, kind: PinOutcome['kind']): string {
  assert.equal(outcome.kind, kind)
  return 'message' in outcome ? outcome.message : ''
}

test('createGitSource() pins latest, branches, tags and commits', { skip }, async (context) => {
  const { repository, first, start } = await setUp(context)
  await repository.git('tag', '--annotate', '--message=x', 'v1', first)
  const second = await repository.commit('main', { 'default.nix': '2' })
  const source = await start()
  const pin = async (tag: string) => expectPinned(await source.pin(tag, signal))
  assert.deepEqual(await pin('latest'), {
    source: 'ours',
    revision: second,
    identity: `git:${second}`,
    fixed: true,
    origin: repository.path,
  })
  assert.equal((await pin('main')).revision, second)
  assert.equal((await pin('v1')).revision, first)
  assert.deepEqual(await pin(first), await pin('v1'))
  for (const tag of ['latest', 'main', 'v1'])
    assert.deepEqual(source.recall?.(tag), await source.pin(tag, signal))
  for (const tag of ['other', first, 'a..b']) assert.equal(source.recall?.(tag), undefined)
  assert.equal((await start({ allowedTags: [] })).recall?.('main'), undefined)

  const set = expectSet(await source.fetch(await pin('v1'), signal))
  assert.equal(basename(set.entry), 'source')
  assert.equal(set.identity, `git:${first}`)
  assert.deepEqual(set.readablePaths, [set.entry])
  assert.equal(await readFile(join(set.entry, 'default.nix'), 'utf8'), '1')
  const newer = expectSet(await source.fetch(await pin('main'), signal))
  assert.equal(await readFile(join(newer.entry, 'default.nix'), 'utf8'), '2')
})

test('createGitSource() names what a wrong tag may have meant', { skip }, async (context) => {
  const { repository, first, start } = await setUp(context)
  await repository.git('branch', 'Release-1.0', first)
  await repository.git('branch', 'with/slash', first)
  const source = await start()
  const unknown = async (tag: string) => messageOf(await source.pin(tag, signal), 'unknown-tag')
  assert.match(await unknown('release-10'), /did you mean Release-1\.0\?/)
  assert.match(await unknown('nothing'), /latest, a branch, a tag or a whole commit id/)
  for (const evil of ['a..b', 'main.lock', 'main.', first.slice(1), first.toUpperCase()])
    assert.match(await unknown(evil), /no branch or tag/)
})

test(
  'createGitSource() serves no commit of a fork, unless it is told to',
  { skip },
  async (context) => {
    const { served, repository, start } = await setUp(context)
    const fork = await repository.commit('fork', { 'default.nix': 'evil' })
    await repository.git('update-ref', 'refs/pull/1/head', fork)
    await repository.git('update-ref', '-d', 'refs/heads/fork')
    await using daemon = await startGitDaemon(served)
    const url = `${daemon.url}/set.git`
    const refused = await (await start({ url })).pin(fork, signal)
    assert.match(messageOf(refused, 'unknown-tag'), /no branch or tag .* NIXERY_ANY_COMMIT=on/)
    const open = await start({ url, anyCommit: true })
    const pinned = expectPinned(await open.pin(fork, signal))
    const set = expectSet(await open.fetch(pinned, signal))
    assert.equal(await readFile(join(set.entry, 'default.nix'), 'utf8'), 'evil')

    const invented = expectPinned(await open.pin('0'.repeat(40), signal))
    const missing = await open.fetch(invented, signal)
    assert.equal(missing.kind, 'unusable-source')
    assert.match('message' in missing ? missing.message : '', /no commit 0000/)
  },
)

test('createGitSource() serves the tags that are allowed', { skip }, async (context) => {
  const { repository, first, start } = await setUp(context)
  await repository.git('tag', 'v1', first)
  const source = await start({ allowedTags: ['v*'] })
  expectPinned(await source.pin('latest', signal))
  expectPinned(await source.pin('v1', signal))
  for (const tag of ['main', first])
    assert.match(messageOf(await source.pin(tag, signal), 'forbidden-tag'), /latest, v\*/)
  expectPinned(await (await start({ allowedTags: [first] })).pin(first, signal))
})

test(
  'createGitSource() goes on without its origin, also after a restart',
  { skip },
  async (context) => {
    const { site, repository, first, start, hide, show } = await setUp(context)
    const second = await repository.commit('main', { 'default.nix': '2' })
    const source = await start()
    const before = expectPinned(await source.pin('main', signal))
    await source.fetch(before, signal)
    expectPinned(await source.pin(first, signal))
    await hide()
    for (const running of [source, await start()]) {
      assert.deepEqual(await running.pin('main', signal), { kind: 'pinned', pinned: before })
      assert.equal(expectPinned(await running.pin(second, signal)).revision, second)
      assert.equal(expectPinned(await running.pin(first, signal)).revision, first)
      expectSet(await running.fetch(before, signal))
    }
    site.advance(60_000)
    const restarted = await start()
    for (const running of [source, restarted]) {
      const { staleSinceMs, ...pinned } = expectPinned(await running.pin('main', signal))
      assert.deepEqual(pinned, before)
      assert.ok(staleSinceMs !== undefined)
      await assert.rejects(
        running.pin('unheard', signal),
        (error) => error instanceof OperatingError && error.code === 'SOURCE_UNAVAILABLE',
      )
    }
    assert.deepEqual(site.log, [`lost ${repository.path}`, `lost ${repository.path}`])
    await show()
    const third = await repository.commit('main', { 'default.nix': '3' })
    site.advance(30_000)
    const after = expectPinned(await source.pin('main', signal))
    assert.equal(after.revision, third)
    assert.equal(after.staleSinceMs, undefined)
    assert.equal(site.log.at(-1), `back ${repository.path}`)
  },
)

test('createGitSource() takes no tree that leads out of itself', { skip }, async (context) => {
  const { repository, start } = await setUp(context)
  const blob = await repository.git('rev-parse', 'main:default.nix')
  const entry = [Buffer.from('100644 ../../evil\0'), Buffer.from(blob, 'hex')]
  const file = join(repository.path, 'evil-tree')
  await writeFile(file, Buffer.concat(entry))
  const tree = await repository.git('hash-object', '-t', 'tree', '-w', '--literally', file)
  const evil = await repository.git('commit-tree', tree, '-m', 'x')
  await repository.git('tag', 'evil', evil)
  const source = await start()
  const outcome = await source.fetch(expectPinned(await source.pin('evil', signal)), signal)
  assert.ok(outcome.kind === 'unusable-source')
  assert.match(outcome.message, /cannot be written: invalid path/)
})

test(
  'createGitSource() finds its entry inside of the repository alone',
  { skip },
  async (context) => {
    const { site, repository, start } = await setUp(context)
    const work = join(site.directory, 'work')
    await runPlainGit(site.directory, 'clone', '--quiet', repository.path, work)
    await mkdir(join(work, 'empty'))
    await mkdir(join(work, 'pkgs'))
    await symlink('/etc', join(work, 'out'))
    await symlink('/etc/passwd', join(work, 'empty', 'default.nix'))
    await symlink('../default.nix', join(work, 'pkgs', 'default.nix'))
    await symlink('circle', join(work, 'circle'))
    await runPlainGit(work, 'add', '.')
    await runPlainGit(work, 'commit', '--quiet', '--message=x')
    await runPlainGit(work, 'push', '--quiet', 'origin', 'HEAD:main')
    const open = async (entry: string) => {
      const source = await start({ entry })
      const pinned = expectPinned(await source.pin('latest', signal))
      assert.ok(pinned.identity.endsWith(`:${entry}`))
      return source.fetch(pinned, signal)
    }
    for (const entry of ['pkgs', 'default.nix']) {
      const set = expectSet(await open(entry))
      const [tree = ''] = set.readablePaths
      assert.equal(set.entry, await realpath(join(tree, entry)))
    }
    const refused = async (entry: string) => {
      const outcome = await open(entry)
      assert.equal(outcome.kind, 'unusable-source')
      return 'message' in outcome ? outcome.message : ''
    }
    assert.match(await refused('out'), /leads out/)
    assert.match(await refused('../..'), /leads out/)
    assert.match(await refused('empty'), /neither default\.nix nor flake\.nix in empty/)
    assert.match(await refused('none'), /has no none/)
    assert.match(await refused('circle'), /has no circle/)
    assert.match(await refused('default.nix/x'), /has no default\.nix\/x/)
  },
)

test(
  'createGitSource() has the inputs of a flake prepared, when there is no default.nix',
  { skip },
  async (context) => {
    const { repository, start } = await setUp(context)
    await repository.commit('both', { 'flake.nix': '{ }' })
    await repository.git('symbolic-ref', 'HEAD', 'refs/heads/flake')
    const work = `${repository.path}.work`
    await runPlainGit(work, 'init', '--quiet')
    await runPlainGit(work, 'rm', '--quiet', '-r', '--cached', '--ignore-unmatch', '.')
    await runPlainGit(work, 'add', 'flake.nix')
    await runPlainGit(work, 'commit', '--quiet', '--message=x')
    await runPlainGit(work, 'push', '--quiet', repository.path, 'HEAD:flake')
    const prepared: string[] = []
    const flake: FlakeInputs = { nodes: { nixpkgs: { path: '/somewhere', info: { rev: 'x' } } } }
    const source = await start({
      prepareFlake: async (directory) => {
        prepared.push(directory)
        return flake
      },
    })
    const fetch = async (tag: string) =>
      expectSet(await source.fetch(expectPinned(await source.pin(tag, signal)), signal))
    const set = await fetch('flake')
    assert.deepEqual(set.flake, flake)
    assert.deepEqual(prepared, [set.entry])
    assert.equal((await fetch('both')).flake, undefined)
    const plain = await start()
    const pinned = expectPinned(await plain.pin('flake', signal))
    const refused = await plain.fetch(pinned, signal)
    assert.match('message' in refused ? refused.message : '', /flake\.nix and no default\.nix/)
  },
)
