import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import type { PinOutcome } from '#engine/ports/package-source.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { makeGitRepository } from '#test/sources/git-repository.ts'
import { listen, startGitDaemon, stop } from '#test/sources/git-servers.ts'
import { expectPinned, expectSet, makeSourceSite } from '#test/sources/remote-source-options.ts'
import { makeGitArchive } from '#test/sources/tarball-server.ts'
import { createGitSource } from './git-source.ts'
import { createNixpkgsSource, type NixpkgsSourceOptions } from './nixpkgs-source.ts'

const skip = skipUnless(['git', 'flock', 'tar'])
const signal = new AbortController().signal

/** A small nixpkgs: a repository behind a git daemon, and a server of channels and archives. */
async function setUp(context: TestContext) {
  const site = await makeSourceSite(context)
  const served = join(site.directory, 'served')
  const repository = await makeGitRepository(join(served, 'nixpkgs.git'))
  const first = await repository.commit('main', { 'default.nix': '{ }: 1', 'lib/x': '' })
  const second = await repository.commit('main', { 'default.nix': '{ }: 2' })
  const channels = new Map([['nixos-unstable', first]])
  const archives = new Map<string, string>()
  const state = { status: 200, downloads: 0, logins: new Set<string>() }
  const has = (commit: string) => repository.git('cat-file', '-e', commit).then(isDone, isNot)
  const answer = async (path: string): Promise<string | Buffer | undefined> => {
    const [, folder = '', name = '', file = ''] = path.split('/')
    if (folder === 'channels' && file === 'git-revision') return channels.get(name)?.concat('\n')
    if (folder !== 'archive') return undefined
    const wanted = name.slice(0, 40)
    if (wanted === '0'.repeat(40)) return 'no archive'
    if (!(await has(wanted))) return undefined
    state.downloads += 1
    return makeGitArchive(repository.path, archives.get(wanted) ?? wanted)
  }
  const server = createServer((request, response) => {
    if (request.headers.authorization) state.logins.add(request.headers.authorization)
    const sent = answer(request.url ?? '').then((body) => {
      const status = state.status === 200 && body === undefined ? 404 : state.status
      return response.writeHead(status).end(body)
    })
    sent.catch(() => response.destroy())
  })
  const port = await listen(server)
  context.after(() => stop(server))
  const daemon = await startGitDaemon(served)
  context.after(() => daemon[Symbol.asyncDispose]())
  const start = async (options: Partial<NixpkgsSourceOptions> = {}) => {
    const source = createNixpkgsSource({
      ...(await site.start()),
      channel: 'nixos-unstable',
      repository: `${daemon.url}/nixpkgs.git`,
      channels: `http://127.0.0.1:${port}/channels`,
      tarball: `http://127.0.0.1:${port}/archive/{commit}.tar.gz`,
      ...options,
    })
    context.after(() => source.close())
    return source
  }
  return { site, repository, daemon, first, second, channels, archives, state, start }
}

const isDone = () => true
const isNot = () => false

function messageOf(outcome: PinOutcome): string {
  return 'message' in outcome ? outcome.message : ''
}

test(
  'createNixpkgsSource() takes latest for its channel, and channels, branches and commits for themselves',
  { skip },
  async (context) => {
    const { site, daemon, first, second, channels, state, start } = await setUp(context)
    channels.set('nixos-24.05', second)
    const source = await start()
    const pin = async (tag: string) => expectPinned(await source.pin(tag, signal))
    assert.deepEqual(await pin('latest'), {
      source: 'ours',
      revision: first,
      identity: `archive:${first}`,
      fixed: true,
      origin: `${daemon.url}/nixpkgs.git`,
    })
    assert.equal((await pin('nixos-24.05')).revision, second)
    assert.equal((await pin('main')).revision, second, 'a branch that is no channel')
    assert.equal((await pin(first)).revision, first)
    for (const tag of ['latest', 'nixos-24.05', 'main'])
      assert.deepEqual(source.recall?.(tag), await source.pin(tag, signal))
    for (const tag of ['mian', first]) assert.equal(source.recall?.(tag), undefined)
    assert.equal((await source.pin('mian', signal)).kind, 'unknown-tag')
    assert.match(messageOf(await source.pin('mian', signal)), /did you mean main\?/)
    assert.equal((await source.pin('a..b', signal)).kind, 'unknown-tag')

    site.advance(60_000)
    const findCredential = async () => ({ username: 'ada', password: 's3cret' })
    expectPinned(await (await start({ findCredential })).pin('latest', signal))
    assert.deepEqual([...state.logins], [`Basic ${Buffer.from('ada:s3cret').toString('base64')}`])

    const branch = await start({ channel: 'main' })
    assert.equal(expectPinned(await branch.pin('latest', signal)).revision, second)
    const invented = 'f'.repeat(40)
    const fixed = await start({ channel: invented })
    assert.equal(expectPinned(await fixed.pin('latest', signal)).revision, invented)
    assert.equal((await fixed.pin(invented, signal)).kind, 'unknown-tag')
    assert.deepEqual(fixed.recall?.('latest'), await fixed.pin('latest', signal))
    const closed = await start({ allowedTags: ['nixos-*'] })
    assert.equal((await closed.pin('main', signal)).kind, 'forbidden-tag')
  },
)

test(
  'createNixpkgsSource() downloads the archive of exactly the commit, once',
  { skip },
  async (context) => {
    const { site, repository, first, state, start } = await setUp(context)
    const source = await start()
    const pinned = expectPinned(await source.pin('latest', signal))
    const [set] = await Promise.all([
      source.fetch(pinned, signal).then(expectSet),
      source.fetch(pinned, signal).then(expectSet),
    ])
    assert.equal(await readFile(join(set.entry, 'default.nix'), 'utf8'), '{ }: 1')
    await (await start()).fetch(pinned, signal)
    assert.equal(state.downloads, 1)
    const git = createGitSource({ ...(await site.start()), url: repository.path })
    const same = expectPinned(await git.pin(first, signal))
    assert.notEqual(set.identity, same.identity, 'an archive is no proof of what git has')
    const throughGit = expectSet(await git.fetch(same, signal))
    assert.equal(await readFile(join(throughGit.entry, 'default.nix'), 'utf8'), '{ }: 1')
    await git.close()
  },
)

test(
  'createNixpkgsSource() refuses archives of other commits, and says when there is none',
  { skip },
  async (context) => {
    const { first, second, archives, start } = await setUp(context)
    archives.set(first, second)
    const failure = async (commit: string) => {
      const source = await start({ channel: commit })
      const pinned = expectPinned(await source.pin('latest', signal))
      const outcome = await source.fetch(pinned, signal)
      assert.equal(outcome.kind, 'unusable-source')
      return 'message' in outcome ? outcome.message : ''
    }
    assert.equal(await failure(first), `the archive of ${first} is that of ${second}`)
    assert.match(await failure('f'.repeat(40)), /there is no archive of the commit ffff/)
    assert.match(await failure('0'.repeat(40)), /cannot be used: it is not compressed/)
  },
)

test(
  'createNixpkgsSource() needs only one of its servers to find a channel',
  { skip },
  async (context) => {
    const { site, repository, daemon, first, second, state, start } = await setUp(context)
    await repository.git('branch', 'nixos-unstable', second)
    const source = await start()
    assert.equal(expectPinned(await source.pin('latest', signal)).revision, first)
    const git = createGitSource({ ...(await site.start()), url: `${daemon.url}/nixpkgs.git` })
    const branch = expectPinned(await git.pin('nixos-unstable', signal))
    assert.equal(branch.revision, second, 'the branch is not the channel')
    await git.close()
    site.advance(60_000)
    state.status = 503
    assert.equal(expectPinned(await source.pin('latest', signal)).revision, second, 'by git')
    await assert.rejects(
      source.pin('nothing', signal),
      (error) => error instanceof OperatingError && error.message.includes('503'),
      'it may be a channel',
    )
    state.status = 200
    await daemon[Symbol.asyncDispose]()
    site.advance(60_000)
    assert.equal(expectPinned(await source.pin('latest', signal)).revision, first, 'by the channel')
    assert.equal(expectPinned(await source.pin(second, signal)).revision, second, 'known by now')
    state.status = 503
    site.advance(60_000)
    const stale = expectPinned(await source.pin('latest', signal))
    assert.equal(stale.revision, first)
    assert.ok(stale.staleSinceMs !== undefined)
  },
)
