import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { OperatingError } from '#engine/operating-error.ts'
import { makeGitRepository } from '#test/sources/git-repository.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { listen, stop } from '#test/sources/git-servers.ts'
import { makeGitArchive } from '#test/sources/tarball-server.ts'
import { downloadTarball } from './download-tarball.ts'

const signal = new AbortController().signal
const { env: environment } = process

async function setUp(context: TestContext, listener: RequestListener) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-tarball-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const server = createServer(listener)
  const port = await listen(server)
  context.after(() => stop(server))
  const target = await mkdtemp(join(directory, 'target-'))
  return { directory, target, url: `http://127.0.0.1:${port}` }
}

async function makeArchive(directory: string) {
  const repository = await makeGitRepository(join(directory, 'set.git'))
  const commit = await repository.commit('main', { 'default.nix': '{ }', 'sub/x': 'x'.repeat(1e5) })
  return { commit, archive: await makeGitArchive(repository.path, commit) }
}

function isUnavailable(expected: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof OperatingError)
    assert.equal(error.code, 'SOURCE_UNAVAILABLE')
    assert.match(error.message, expected)
    return true
  }
}

test('downloadTarball() unpacks what is below the top, and tells the commit', async (context) => {
  let archive: Buffer = Buffer.alloc(0)
  const { directory, target, url } = await setUp(context, (_, response) => response.end(archive))
  const made = await makeArchive(directory)
  archive = made.archive
  const end = await downloadTarball({ environment, url, directory: target }, signal)
  assert.deepEqual(end, { kind: 'unpacked', commit: made.commit })
  assert.deepEqual((await readdir(target)).sort(), ['default.nix', 'sub'])
  assert.equal(await readFile(join(target, 'sub', 'x'), 'utf8'), 'x'.repeat(1e5))
  assert.equal((await lstat(join(target, 'sub', 'x'))).uid, process.getuid?.())
})

test('downloadTarball() unpacks what other programs compressed', async (context) => {
  let archive: Buffer = Buffer.alloc(0)
  const { directory, url } = await setUp(context, (_, response) => response.end(archive))
  const made = await makeArchive(directory)
  const tar = gunzipSync(made.archive)
  const { stdout: xz, error } = spawnSync('xz', ['--stdout'], { input: tar })
  if (error !== undefined) context.diagnostic('xz is not on this machine')
  for (const bytes of [tar, zstdCompressSync(tar), ...(error === undefined ? [xz] : [])]) {
    archive = bytes
    const target = await mkdtemp(join(directory, 'target-'))
    const end = await downloadTarball({ environment, url, directory: target }, signal)
    assert.deepEqual(end, { kind: 'unpacked', commit: made.commit })
    assert.equal(await readFile(join(target, 'sub', 'x'), 'utf8'), 'x'.repeat(1e5))
  }
})

test('downloadTarball() says what is no archive, and what is not there', async (context) => {
  const answers: Record<string, Buffer> = {
    '/page': Buffer.from('<html>log in</html>'),
    '/text': gzipSync('not an archive'.repeat(1000)),
  }
  const { directory, target, url } = await setUp(context, (request, response) => {
    const answer = answers[request.url ?? '']
    response.writeHead(answer === undefined ? 404 : 200).end(answer)
  })
  answers['/bomb'] = (await makeArchive(directory)).archive
  const download = async (path: string) => {
    const limits = { unpackedBytes: 50_000 }
    return downloadTarball({ environment, url: `${url}${path}`, directory: target, limits }, signal)
  }
  assert.deepEqual(await download('/none'), { kind: 'missing' })
  const page = await download('/page')
  assert.match(page.kind === 'unfit' ? page.message : '', /not compressed by gzip/)
  const text = await download('/text')
  assert.match(text.kind === 'unfit' ? text.message : '', /not look like a tar archive/)
  const bomb = await download('/bomb')
  assert.match(bomb.kind === 'unfit' ? bomb.message : '', /more than 50000 bytes/)
})

test('downloadTarball() refuses what is neither file, directory nor link', async (context) => {
  let archive: Buffer = Buffer.alloc(0)
  const { directory, target, url } = await setUp(context, (_, response) => response.end(archive))
  const made = spawnSync('sh', ['-ec', 'mkdir set; mkfifo set/pipe; tar -c set'], {
    cwd: directory,
  })
  archive = made.stdout
  const end = await downloadTarball({ environment, url, directory: target }, signal)
  assert.deepEqual(end, { kind: 'unfit', message: 'pipe is no file, directory or link' })
})

test('downloadTarball() knows a failed network from a wrong archive', async (context) => {
  let archive: Buffer = Buffer.alloc(0)
  const { directory, target, url } = await setUp(context, (request, response) => {
    if (request.url === '/broken') response.writeHead(502).end()
    else if (request.url === '/silent') response.write(archive.subarray(0, 100))
    else if (request.url === '/cut') response.end(archive.subarray(0, archive.length / 2))
    else {
      response.writeHead(200, { 'content-length': archive.length })
      response.write(archive.subarray(0, 200), () => response.destroy())
    }
  })
  archive = (await makeArchive(directory)).archive
  const download = (path: string, limits = {}) =>
    downloadTarball({ environment, url: `${url}${path}`, directory: target, limits }, signal)
  await assert.rejects(download('/broken'), isUnavailable(/answers 502/))
  await assert.rejects(
    download('/silent', { stallMs: 300 }),
    isUnavailable(/sent nothing for 300 ms/),
  )
  await assert.rejects(download('/cut'), isUnavailable(/unexpected end/))
  await assert.rejects(download('/reset'), isUnavailable(/cannot be read/))
  const nobody = `http://ada:s3cret@127.0.0.1:${await findFreePort()}/x`
  await assert.rejects(
    downloadTarball({ environment, url: nobody, directory: target }, signal),
    (error: Error) => {
      assert.ok(!error.message.includes('s3cret'))
      return isUnavailable(/cannot be read/)(error)
    },
  )
  const leaving = new AbortController()
  const left = downloadTarball(
    { environment, url: `${url}/silent`, directory: target },
    leaving.signal,
  )
  leaving.abort(new Error('left'))
  await assert.rejects(left, /left/)
})

test('downloadTarball() sends a login to its host alone', async (context) => {
  let archive: Buffer = Buffer.alloc(0)
  const seen: [string, string | undefined][] = []
  const elsewhere = await setUp(context, (request, response) => {
    seen.push(['elsewhere', request.headers.authorization])
    response.end(archive)
  })
  const { directory, target, url } = await setUp(context, (request, response) => {
    seen.push(['here', request.headers.authorization])
    response.writeHead(302, { location: elsewhere.url }).end()
  })
  const made = await makeArchive(directory)
  archive = made.archive
  const credential = { username: 'ada', password: 's3cret' }
  const end = await downloadTarball({ environment, url, directory: target, credential }, signal)
  assert.equal(end.kind, 'unpacked')
  assert.deepEqual(seen, [
    ['here', `Basic ${Buffer.from('ada:s3cret').toString('base64')}`],
    ['elsewhere', undefined],
  ])
})
