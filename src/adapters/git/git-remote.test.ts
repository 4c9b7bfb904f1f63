import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { findProgram } from '#adapters/process/find-program.ts'
import { parseGitReference } from '#core/request/git-reference.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import {
  makeGitRepository,
  plainGitEnvironment,
  runPlainGit,
  type GitRepository,
} from '#test/sources/git-repository.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { startGitDaemon, startGitHttpServer } from '#test/sources/git-servers.ts'
import { GitRemote, type GitRemoteOptions } from './git-remote.ts'

const skip = skipUnless(['git', 'flock'])
const signal = new AbortController().signal

async function setUp(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-git-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const repository = await makeGitRepository(join(directory, 'served', 'set.git'))
  const open = (url: string, options: Partial<GitRemoteOptions> = {}) =>
    new GitRemote({
      url,
      directory: join(directory, 'state'),
      environment: plainGitEnvironment(),
      ...options,
    })
  return { directory, served: join(directory, 'served'), repository, open }
}

function resolve(remote: GitRemote, tag: string) {
  return remote.resolve(parseGitReference(tag), signal)
}

async function exportFile(remote: GitRemote, commit: string, directory: string, name: string) {
  const target = await mkdtemp(join(directory, 'export-'))
  await remote.export(commit, target, signal)
  return readFile(join(target, name), 'utf8')
}

async function commitUnreachable(repository: GitRepository): Promise<string> {
  const commit = await repository.commit('fork', { 'default.nix': '"fork"' })
  await repository.git('update-ref', 'refs/pull/1/head', commit)
  await repository.git('update-ref', '-d', 'refs/heads/fork')
  return commit
}

function isUnavailable(expected: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof OperatingError)
    assert.equal(error.code, 'SOURCE_UNAVAILABLE')
    assert.match(error.message, expected)
    assert.ok(!error.message.includes('\n'))
    return true
  }
}

test(
  'GitRemote.resolve() finds branches, tags and the default branch',
  { skip },
  async (context) => {
    const { served, repository, open } = await setUp(context)
    const first = await repository.commit('main', { 'default.nix': '1' })
    await repository.git('tag', '--annotate', '--message=x', 'v1', first)
    await repository.git('tag', 'plain', first)
    const second = await repository.commit('main', { 'default.nix': '2' })
    await repository.git('tag', 'both', first)
    await repository.git('branch', 'both', second)
    await using daemon = await startGitDaemon(served)
    await using http = await startGitHttpServer(served)
    for (const url of [
      `${daemon.url}/set.git`,
      `${http.url}/set.git`,
      repository.path,
      `file://${repository.path}`,
    ]) {
      const remote = open(url)
      assert.equal(await resolve(remote, 'latest'), second, url)
      assert.equal(await resolve(remote, 'main'), second)
      assert.equal(await resolve(remote, 'v1'), first, 'an annotated tag stands for its commit')
      assert.equal(await resolve(remote, 'plain'), first)
      assert.equal(await resolve(remote, 'both'), second, 'the branch wins')
      assert.equal(await resolve(remote, 'none'), undefined)
      assert.equal(await resolve(remote, '--upload-pack=touch'), undefined)
      assert.equal(await resolve(remote, first), first)
    }
  },
)

test(
  'GitRemote.resolve() sees what moved, and another default branch',
  { skip },
  async (context) => {
    const { repository, open } = await setUp(context)
    let now = 0
    const remote = open(repository.path, { now: () => now })
    await repository.commit('main', { a: '1' })
    await resolve(remote, 'latest')
    const second = await repository.commit('main', { a: '2' })
    now += 6_000
    assert.equal(await resolve(remote, 'latest'), second)
    const other = await repository.commit('trunk', { a: '3' })
    await repository.git('symbolic-ref', 'HEAD', 'refs/heads/trunk')
    await repository.git('update-ref', '-d', 'refs/heads/main')
    now += 6_000
    assert.equal(await resolve(remote, 'latest'), other)
  },
)

test(
  'GitRemote.reaches() knows ancestors of branches and tags from commits of forks',
  { skip },
  async (context) => {
    const { served, repository, open } = await setUp(context)
    const first = await repository.commit('main', { a: '1' })
    await repository.commit('main', { a: '2' })
    const tagged = await repository.commit('old', { a: '3' })
    await repository.git('tag', 'v1', tagged)
    await repository.git('update-ref', '-d', 'refs/heads/old')
    const fork = await commitUnreachable(repository)
    await using daemon = await startGitDaemon(served)
    for (const allowsFilter of ['true', 'false']) {
      await repository.git('config', 'uploadpack.allowFilter', allowsFilter)
      const remote = open(`${daemon.url}/set.git`, { directory: join(served, '..', allowsFilter) })
      assert.ok(await remote.reaches(first, signal))
      assert.ok(await remote.reaches(tagged, signal))
      assert.ok(!(await remote.reaches(fork, signal)))
      assert.ok(!(await remote.reaches('0'.repeat(40), signal)))
      assert.ok(!(await remote.advertises(first, signal)))
      assert.ok(await remote.advertises(tagged, signal))
      assert.ok(!(await remote.advertises(fork, signal)), 'a pull request is no branch')
    }
  },
)

test('GitRemote.reaches() fetches commits without their files', { skip }, async (context) => {
  const { directory, served, repository, open } = await setUp(context)
  const first = await repository.commit('main', { 'big.txt': 'big'.repeat(1000) })
  await repository.commit('main', { b: '2' })
  await using daemon = await startGitDaemon(served)
  const remote = open(`${daemon.url}/set.git`)
  assert.ok(await remote.reaches(first, signal))
  const [kept = ''] = await readdir(join(directory, 'state'))
  const objects = await runPlainGit(
    join(directory, 'state', kept, 'history.git'),
    'cat-file',
    '--batch-all-objects',
    '--batch-check=%(objecttype)',
  )
  assert.deepEqual(objects.split('\n'), ['commit', 'commit'])
})

test(
  'GitRemote.reaches() asks again for what is pushed later, and forgets a dropped branch',
  { skip },
  async (context) => {
    const { repository, open } = await setUp(context)
    let now = 0
    const remote = open(repository.path, { now: () => now })
    await repository.commit('main', { a: '1' })
    const draft = await repository.commit('draft', { a: '2' })
    assert.ok(await remote.reaches(draft, signal))
    await repository.git('update-ref', '-d', 'refs/heads/draft')
    const pushed = await repository.commit('main', { a: '3' })
    now += 6_000
    assert.ok(await remote.reaches(pushed, signal))
    assert.ok(!(await remote.reaches(draft, signal)))
  },
)

test('GitRemote.reaches() finds what came while it was looked for', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const first = await repository.commit('main', { a: '1' })
  const second = await repository.commit('main', { a: '2' })
  const inDirectory = (name: string) => join(directory, name)
  const [looked, held] = ['looked', 'held'].map(inDirectory) as [string, string]
  const environment = plainGitEnvironment()
  const program = await findProgram('git', environment['PATH'] ?? '')
  // Looks for the first commit at once, and says later that it was not there.
  const slow = `touch ${looked}; while [ -e ${held} ]; do sleep 0.05; done`
  const script = `#!/bin/sh\n${program} "$@"\nend=$?\ncase "$*" in *rev-list*${first}*) ${slow};; esac\nexit $end\n`
  await mkdir(inDirectory('bin'))
  await writeFile(inDirectory('bin/git'), script, { mode: 0o755 })
  await writeFile(held, '')
  environment['PATH'] = `${inDirectory('bin')}:${environment['PATH']}`
  const remote = open(repository.path, { environment })
  const looking = remote.reaches(first, signal)
  await eventually('the look', () => (existsSync(looked) ? true : undefined))
  assert.ok(await remote.reaches(second, signal))
  await rm(held)
  assert.ok(await looking)
})

test(
  'GitRemote.fetchCommit() brings one commit with its files, over every transport',
  { skip },
  async (context) => {
    const { directory, served, repository, open } = await setUp(context)
    const first = await repository.commit('main', { 'default.nix': 'one', 'sub/x': 'x' })
    const second = await repository.commit('main', { 'default.nix': 'two' })
    const fork = await commitUnreachable(repository)
    await using daemon = await startGitDaemon(served)
    await using http = await startGitHttpServer(served)
    for (const url of [`${daemon.url}/set.git`, `${http.url}/set.git`, repository.path]) {
      const remote = open(url)
      for (const [commit, text] of [
        [first, 'one'],
        [second, 'two'],
        [fork, '"fork"'],
      ] as const) {
        assert.equal(await remote.fetchCommit(commit, signal), 'fetched')
        assert.equal(await exportFile(remote, commit, directory, 'default.nix'), text)
      }
      assert.equal(await remote.fetchCommit('0'.repeat(40), signal), 'missing')
    }
    const states = await readdir(join(directory, 'state'))
    assert.equal(states.length, 3)
    for (const state of states) {
      const shallow = join(directory, 'state', state, 'commits.git', 'shallow')
      assert.match(await readFile(shallow, 'utf8'), new RegExp(second), 'without history')
    }
  },
)

test('GitRemote.fetchCommit() needs no origin for what it has', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const commit = await repository.commit('main', { 'default.nix': 'one' })
  assert.equal(await open(repository.path).fetchCommit(commit, signal), 'fetched')
  await rm(repository.path, { recursive: true })
  const later = open(repository.path)
  assert.equal(await later.fetchCommit(commit, signal), 'fetched')
  assert.equal(await exportFile(later, commit, directory, 'default.nix'), 'one')
})

test(
  'GitRemote.fetchCommit() gets along with servers that give references only',
  { skip },
  async (context) => {
    const { directory, repository, served, open } = await setUp(context)
    const first = await repository.commit('main', { 'default.nix': 'one' })
    const second = await repository.commit('main', { 'default.nix': 'two' })
    const fork = await commitUnreachable(repository)
    await repository.git('update-server-info')
    // The first protocol, where a server refuses what no reference names; and files over plain HTTP.
    const config = join(directory, 'gitconfig')
    await writeFile(config, '[protocol]\n  version = 0\n')
    const environment = { ...plainGitEnvironment(), GIT_CONFIG_GLOBAL: config }
    await using http = await startGitHttpServer(served, {
      intercept(request) {
        request.url = request.url?.replace(/\?service=.*/, '')
        return false
      },
    })
    await using daemon = await startGitDaemon(served)
    for (const url of [`${daemon.url}/set.git`, `${http.url}/set.git`]) {
      const remote = open(url, { environment })
      assert.equal(await remote.fetchCommit(second, signal), 'fetched', url)
      assert.equal(await remote.fetchCommit(first, signal), 'fetched', url)
      assert.equal(await remote.fetchCommit('1'.repeat(40), signal), 'missing', url)
      assert.equal(await exportFile(remote, first, directory, 'default.nix'), 'one')
      assert.ok(await remote.reaches(first, signal))
      assert.ok(!(await remote.reaches(fork, signal)))
    }
  },
)

test('GitRemote takes the id of a file or directory for no commit', { skip }, async (context) => {
  const { repository, open } = await setUp(context)
  const commit = await repository.commit('main', { a: '1' })
  await repository.git('tag', 'blob', await repository.git('rev-parse', 'main:a'))
  const remote = open(repository.path)
  await remote.fetchCommit(commit, signal)
  const blob = await resolve(remote, 'blob')
  const tree = await repository.git('rev-parse', 'main^{tree}')
  for (const id of [blob!, tree]) {
    assert.ok(!(await remote.reaches(id, signal)))
    assert.equal(await remote.fetchCommit(id, signal), 'missing')
    assert.equal(await remote.fetchCommit(id, signal), 'missing', 'also the second time')
  }
})

test('GitRemote takes the id of an annotated tag for no commit', { skip }, async (context) => {
  const { repository, open } = await setUp(context)
  await repository.commit('main', { 'default.nix': '1' })
  const people = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  await repository.git(...people, 'tag', '--annotate', '--message=v1', 'v1', 'main')
  const tag = await repository.git('rev-parse', 'v1')
  assert.equal(await open(repository.path).fetchCommit(tag, signal), 'missing')
})

test(
  'GitRemote.export() makes nothing of a tree with too many files',
  { skip },
  async (context) => {
    const { directory, repository, open } = await setUp(context)
    await repository.commit('main', { file: 'x' })
    // Eight levels of ten entries each: a hundred million files in a kilobyte of objects.
    let tree = await repository.git('rev-parse', 'main^{tree}')
    for (let level = 0; level < 8; level++) {
      const entries = Array.from({ length: 10 }, (_, index) => `040000 tree ${tree}\t${index}`)
      tree = await makeTree(repository, entries)
    }
    const commit = await repository.git('commit-tree', '-m', 'bomb', tree)
    await repository.git('update-ref', 'refs/heads/main', commit)
    const remote = open(repository.path)
    assert.equal(await remote.fetchCommit(commit, signal), 'fetched')
    const target = await mkdtemp(join(directory, 'bomb-'))
    await assert.rejects(remote.export(commit, target, signal), /has too many files/)
    assert.deepEqual(await readdir(target), [])
  },
)

async function makeTree({ path }: GitRepository, entries: readonly string[]): Promise<string> {
  const child = spawn('git', ['-C', path, 'mktree'], { env: plainGitEnvironment() })
  child.stdin.end(`${entries.join('\n')}\n`)
  return (await text(child.stdout)).trim()
}

test('GitRemote gets over the lock files of a git that was killed', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const remote = open(repository.path)
  const first = await repository.commit('main', { a: '1' })
  assert.equal(await remote.fetchCommit(first, signal), 'fetched')
  assert.ok(await remote.reaches(first, signal))
  const [state = ''] = await readdir(join(directory, 'state'))
  for (const lock of ['commits.git/shallow.lock', 'history.git/refs/heads/main.lock'])
    await writeFile(join(directory, 'state', state, lock), '')
  const second = await repository.commit('main', { a: '2' })
  const later = open(repository.path)
  assert.equal(await later.fetchCommit(second, signal), 'fetched')
  assert.ok(await later.reaches(second, signal))
})

test('GitRemote finishes a repository that a killed git began', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const commit = await repository.commit('main', { a: '1' })
  assert.equal(await open(repository.path).fetchCommit(commit, signal), 'fetched')
  const [state = ''] = await readdir(join(directory, 'state'))
  const begun = join(directory, 'state', state, 'commits.git')
  await rm(begun, { recursive: true })
  await mkdir(join(begun, 'refs'), { recursive: true })
  await writeFile(join(begun, 'HEAD'), 'ref: refs/heads/main\n')
  assert.equal(await open(repository.path).fetchCommit(commit, signal), 'fetched')
})

test('GitRemote fetches on for those who come back', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const commit = await repository.commit('main', { a: '1' })
  const ssh = join(directory, 'ssh')
  const asked = join(directory, 'asked')
  await writeFile(ssh, `#!/bin/sh\necho >> ${asked}\nsleep 1\nshift $(($# - 1))\nexec sh -c "$1"\n`)
  await chmod(ssh, 0o755)
  const environment = { ...plainGitEnvironment(), GIT_SSH_COMMAND: ssh, GIT_SSH_VARIANT: 'simple' }
  const remote = open(`git@git.example:${repository.path}`, { environment })
  context.after(() => remote.close())
  // Shorter than the answer and the fetch together.
  await assert.rejects(remote.reaches(commit, AbortSignal.timeout(1_500)), { name: 'TimeoutError' })
  assert.ok(await remote.reaches(commit, signal))
  assert.equal(await readFile(asked, 'utf8'), '\n\n', 'one listing and one fetch')
})

test('GitRemote.fetchCommit() keeps a bounded number of states', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const remote = open(repository.path)
  for (let index = 0; index < 10; index++) {
    const commit = await repository.commit('main', { a: String(index) })
    await remote.fetchCommit(commit, signal)
  }
  const [state = ''] = await readdir(join(directory, 'state'))
  const kept = await runPlainGit(
    join(directory, 'state', state, 'commits.git'),
    'for-each-ref',
    'refs/kept',
  )
  assert.equal(kept.split('\n').length, 8)
})

test(
  'GitRemote.export() writes exact bytes, links and modes, whatever users set',
  { skip },
  async (context) => {
    const { directory, repository, open } = await setUp(context)
    const work = join(directory, 'work')
    await runPlainGit(directory, 'clone', '--quiet', repository.path, work)
    await runPlainGit(work, 'config', 'core.autocrlf', 'false')
    const files = {
      crlf: 'a\r\nb\r\n',
      lf: 'a\nb\n',
      ident: '$Id$\n',
      smudged: 'raw',
      run: '#!/bin/sh\n',
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text)
    await chmod(join(work, 'run'), 0o755)
    await symlink('/nowhere', join(work, 'link'))
    await mkdir(join(work, 'sub'))
    await writeFile(join(work, 'sub', 'ü "quoted" '), 'odd')
    const attributes = 'lf text eol=crlf\nident ident\nsmudged filter=loud\nrun export-ignore\n'
    await runPlainGit(work, 'add', '.')
    await writeFile(join(work, '.gitattributes'), attributes)
    await runPlainGit(work, 'add', '.gitattributes')
    await runPlainGit(work, 'commit', '--quiet', '--message=x')
    await runPlainGit(work, 'push', '--quiet', 'origin', 'HEAD:main')
    const config = join(directory, 'gitconfig')
    await writeFile(config, '[core]\n autocrlf = true\n[filter "loud"]\n smudge = tr a-z A-Z\n')
    const environment = { ...plainGitEnvironment(), GIT_CONFIG_GLOBAL: config }
    const remote = open(repository.path, { environment })
    const commit = await resolve(remote, 'main')
    await remote.fetchCommit(commit!, signal)
    const target = await mkdtemp(join(directory, 'export-'))
    await remote.export(commit!, target, signal)

    for (const [name, text] of Object.entries(files))
      assert.equal(await readFile(join(target, name), 'utf8'), text, name)
    assert.equal(await readFile(join(target, 'sub', 'ü "quoted" '), 'utf8'), 'odd')
    assert.equal(await readlink(join(target, 'link')), '/nowhere')
    assert.equal((await lstat(join(target, 'run'))).mode & 0o111, 0o111)
    assert.equal((await lstat(join(target, 'lf'))).mode & 0o111, 0)
    const names = ['.gitattributes', ...Object.keys(files), 'link', 'sub']
    assert.deepEqual((await readdir(target)).sort(), names.sort())
  },
)

test('GitRemote says in one line why an origin cannot be read', { skip }, async (context) => {
  const { served, open } = await setUp(context)
  const port = await findFreePort()
  const down = open(`http://ada:s3cret@127.0.0.1:${port}/set.git`)
  await assert.rejects(resolve(down, 'latest'), (error: Error) => {
    assert.ok(!error.message.includes('s3cret') && !error.message.includes('ada'))
    return isUnavailable(/127\.0\.0\.1.*connect/)(error)
  })
  await assert.rejects(down.fetchCommit('0'.repeat(40), signal), isUnavailable(/connect/))
  const deaf = open(`git://127.0.0.1:${port}/set.git`)
  await assert.rejects(resolve(deaf, 'latest'), isUnavailable(/connect to.*Connection refused/))
  await assert.rejects(down.reaches('0'.repeat(40), signal), isUnavailable(/connect/))
  await assert.rejects(
    resolve(open(join(served, 'none.git')), 'latest'),
    isUnavailable(/does not appear to be a git repository|does not exist/),
  )
  await assert.rejects(resolve(open('ext::touch /tmp/x'), 'latest'), isUnavailable(/not allowed/))
  await assert.rejects(resolve(open('--upload-pack=touch'), 'latest'), isUnavailable(/./))
})

test('GitRemote uses a login for its origin alone', { skip }, async (context) => {
  const { served, repository, open } = await setUp(context)
  const login = { username: 'ada', password: 's3cret' }
  const commit = await repository.commit('main', { a: '1' })
  await using http = await startGitHttpServer(served, { login })
  const url = `${http.url}/set.git`
  await assert.rejects(resolve(open(url), 'main'), isUnavailable(/could not read Username/))
  assert.equal(await resolve(open(url.replace('//', '//ada:s3cret@')), 'main'), commit)
  const found = open(url, { findCredential: async () => login })
  assert.equal(await resolve(found, 'main'), commit)
  assert.equal(await found.fetchCommit(commit, signal), 'fetched')
  const wrong = open(url, { findCredential: async () => ({ ...login, password: 'no' }) })
  await assert.rejects(resolve(wrong, 'main'), isUnavailable(/Authentication failed/))

  const seen: (string | undefined)[] = []
  await using elsewhere = await startGitHttpServer(served, {
    intercept(request, response) {
      seen.push(request.headers.authorization)
      if (request.headers.authorization !== undefined) return false
      response.writeHead(401, { 'www-authenticate': 'Basic realm="thief"' }).end()
      return true
    },
  })
  await using moved = await startGitHttpServer(served, {
    intercept(request, response) {
      response.writeHead(302, { location: `${elsewhere.url}${request.url}` }).end()
      return true
    },
  })
  const redirected = open(`${moved.url}/set.git`, { findCredential: async () => login })
  await assert.rejects(resolve(redirected, 'main'), isUnavailable(/./))
  assert.ok(seen.length > 0)
  assert.deepEqual(new Set(seen), new Set([undefined]))
})

test('GitRemote reaches scp-like addresses with the ssh of the user', { skip }, async (context) => {
  const { directory, repository, open } = await setUp(context)
  const commit = await repository.commit('main', { a: '1' })
  const ssh = join(directory, 'ssh')
  // Stands for the network alone: what git asks of ssh is run here.
  await writeFile(
    ssh,
    `#!/bin/sh\necho "$1" > ${directory}/host\nshift $(($# - 1))\nexec sh -c "$1"\n`,
  )
  await chmod(ssh, 0o755)
  const environment = { ...plainGitEnvironment(), GIT_SSH_COMMAND: ssh, GIT_SSH_VARIANT: 'simple' }
  const remote = open(`git@git.example:${repository.path}`, { environment })
  assert.equal(await resolve(remote, 'main'), commit)
  assert.equal(await remote.fetchCommit(commit, signal), 'fetched')
  assert.equal(await readFile(join(directory, 'host'), 'utf8'), 'git@git.example\n')
})

test('GitRemote serves two processes and many callers at once', { skip }, async (context) => {
  const { directory, served, repository } = await setUp(context)
  const commits: string[] = []
  for (let index = 0; index < 4; index++)
    commits.push(await repository.commit('main', { [`f${index}`]: 'x' }))
  await using daemon = await startGitDaemon(served)
  const script = `
    const { GitRemote } = await import(${JSON.stringify(join(import.meta.dirname, 'git-remote.ts'))})
    const { mkdtemp } = await import('node:fs/promises')
    const options = { url: ${JSON.stringify(`${daemon.url}/set.git`)}, directory: ${JSON.stringify(join(directory, 'state'))} }
    const remote = new GitRemote({ ...options, environment: process.env })
    const signal = new AbortController().signal
    await Promise.all(${JSON.stringify(commits)}.map(async (commit) => {
      if (!(await remote.reaches(commit, signal))) throw new Error('not reached')
      if ((await remote.fetchCommit(commit, signal)) !== 'fetched') throw new Error('not fetched')
      await remote.export(commit, await mkdtemp(${JSON.stringify(join(directory, 'export-'))}), signal)
    }))
    console.log('done')`
  const run = () =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 60_000,
    })
  const ends = await Promise.all([run(), run()])
  assert.deepEqual(
    ends.map(({ stdout }) => stdout),
    ['done\n', 'done\n'],
  )
})

test('GitRemote leaves no fetch behind when the service is killed', { skip }, async (context) => {
  const { directory, open } = await setUp(context)
  const connected = Promise.withResolvers<void>()
  const silent = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    connected.resolve()
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  context.after(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const url = `git://127.0.0.1:${port}/set.git`
  const script = `
    const { GitRemote } = await import(${JSON.stringify(join(import.meta.dirname, 'git-remote.ts'))})
    const options = { url: ${JSON.stringify(url)}, directory: ${JSON.stringify(join(directory, 'state'))} }
    await new GitRemote({ ...options, environment: process.env }).fetchCommit('1'.repeat(40), new AbortController().signal)`
  const service = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: 'ignore',
  })
  await connected.promise
  const [state = ''] = await readdir(join(directory, 'state'))
  const lock = join(directory, 'state', state, 'commits.lock')
  const isFree = () =>
    promisify(execFile)('flock', ['--nonblock', lock, 'true']).then(
      () => true,
      () => undefined,
    )
  assert.equal(await isFree(), undefined, 'held by the fetch')
  service.kill('SIGKILL')
  await once(service, 'exit')
  assert.ok(await eventually('the lock is free', isFree))

  const leaving = new AbortController()
  const left = open(url).fetchCommit('1'.repeat(40), leaving.signal)
  leaving.abort(new Error('left'))
  await assert.rejects(left, /left/)
  assert.ok(await eventually('the lock is free', isFree))
})
