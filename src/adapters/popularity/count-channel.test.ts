import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { baseNameOf, startChannelSite, type ChannelPackages } from '#test/flow/channel-site.ts'
import { countChannel, type ChannelOptions } from './count-channel.ts'

const signal = new AbortController().signal

const packages: ChannelPackages = {
  'glibc-2.36': ['glibc-2.36'],
  'zlib-1.2': ['glibc-2.36'],
  'jq-1.6': ['glibc-2.36', 'oniguruma-6'],
  'oniguruma-6': ['glibc-2.36', 'oniguruma-6'],
  'git-2.39': ['glibc-2.36', 'zlib-1.2', 'zlib-1.2'],
  'curl-8': ['zlib-1.2', 'glibc-2.36'],
  'text-1': [],
}
const counted = '{\n"glibc-2.36": 5,\n"zlib-1.2": 2\n}\n'

/** Packages that all refer to one. */
function manyPackages(size: number): ChannelPackages {
  const users = Array.from({ length: size }, (_, index) => [`user-${index}`, ['base-1']] as const)
  return Object.fromEntries([['base-1', []], ...users])
}

async function setUp(context: TestContext, published: ChannelPackages = packages) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-popularity-'))
  context.after(() => rm(directory, { recursive: true }))
  const site = await startChannelSite(published)
  context.after(() => site[Symbol.asyncDispose]())
  const outPath = join(directory, 'popularity.json')
  const workDirectory = join(directory, 'work')
  const progress: Array<readonly [number, number]> = []
  const count = (options: Partial<ChannelOptions> = {}, until: AbortSignal = signal) =>
    countChannel(
      {
        channel: site.channel,
        cache: site.cache,
        outPath,
        workDirectory,
        concurrency: 4,
        patience: { deadlineMs: 30_000, retryDelaysMs: [1, 1, 1] },
        ...options,
      },
      (done, total) => progress.push([done, total]),
      until,
    )
  return { site, outPath, workDirectory, progress, count }
}

const narinfoOf = (name: string) => `/cache/${baseNameOf(name).slice(0, 32)}.narinfo`
const isNarinfo = (path: string) => path.endsWith('.narinfo')

suite('countChannel()', { skip: skipUnless(['xz']) }, () => {
  test('counts how many store paths refer to each name, and leaves no work behind', async (context) => {
    const { site, outPath, workDirectory, progress, count } = await setUp(context)
    assert.deepEqual(await count(), { names: 2, paths: 7, missing: 0, unusable: [] })
    assert.equal(await readFile(outPath, 'utf8'), counted)
    assert.deepEqual(await readdir(workDirectory), [])
    assert.deepEqual(progress[0], [0, 7])
    assert.deepEqual(progress.at(-1), [7, 7])
    assert.equal(site.requests.filter(isNarinfo).length, 7)
  })

  test('asks for no more narinfos at the same time than it may, whatever the order of answers', async (context) => {
    const { site, outPath, count } = await setUp(context, manyPackages(97))
    const held: Array<() => void> = []
    site.listener = (path, _response, answer) => {
      if (!isNarinfo(path)) return answer()
      held.push(answer)
      // The last one first, when as many are open as can be.
      if (held.length === 7) for (const send of held.splice(0).toReversed()) setImmediate(send)
    }
    await count({ concurrency: 7 })
    assert.equal(site.mostOpen, 7)
    assert.equal(await readFile(outPath, 'utf8'), '{\n"base-1": 97\n}\n')
  })

  test('asks again when a server fails, hangs up or does not answer', async (context) => {
    const { site, outPath, count } = await setUp(context)
    const failures = [
      (response: ServerResponse) => response.writeHead(500).end('later'),
      (response: ServerResponse) => response.writeHead(429).end('later'),
      (response: ServerResponse) => response.destroy(),
      (response: ServerResponse) => response.writeHead(200, { 'content-length': 999 }).write('St'),
      () => {},
    ]
    const seen = new Set<string>()
    site.listener = (path, response, answer) => {
      if (seen.has(path)) return answer()
      const fail = failures[isNarinfo(path) ? seen.size % failures.length : 0]
      seen.add(path)
      fail?.(response)
    }
    // More tries than the server fails: on a busy machine a good answer may be late, too.
    const patience = { deadlineMs: 200, retryDelaysMs: Array<number>(20).fill(1) }
    assert.equal((await count({ patience })).missing, 0)
    assert.equal(await readFile(outPath, 'utf8'), counted)
  })

  test('ends when a server goes on failing, and the next run asks for the rest only', async (context) => {
    const { site, outPath, workDirectory, progress, count } = await setUp(context)
    const broken = narinfoOf('curl-8')
    site.listener = (path, response, answer) =>
      path === broken ? response.writeHead(503).end() : answer()
    await assert.rejects(count({ concurrency: 1 }), (error) => {
      assert.equal(String(error), `Error: ${site.cache}/${broken.slice(7)} answers 503`)
      return true
    })
    assert.equal(existsSync(outPath), false)
    assert.equal(site.requests.filter((path) => path === broken).length, 4)
    assert.equal((await readdir(workDirectory)).length, 1)

    site.listener = (_path, _response, answer) => answer()
    site.requests.length = 0
    progress.length = 0
    await count()
    assert.deepEqual(site.requests.filter(isNarinfo).sort(), [broken, narinfoOf('text-1')].sort())
    assert.deepEqual(progress[0], [5, 7])
    assert.equal(await readFile(outPath, 'utf8'), counted)
  })

  test('does not ask again where that is no use', async (context) => {
    const { site, count } = await setUp(context)
    site.listener = (path, response, answer) =>
      isNarinfo(path) ? response.writeHead(401).end() : answer()
    await assert.rejects(count({ concurrency: 1 }), /answers 401/)
    assert.equal(site.requests.filter(isNarinfo).length, 1)
  })

  test('skips what the cache does not have, and narinfos that are none', async (context) => {
    const { site, outPath, count } = await setUp(context)
    const answers = new Map<string, (response: ServerResponse) => void>([
      [narinfoOf('curl-8'), (response) => response.writeHead(404).end('not here')],
      [narinfoOf('git-2.39'), (response) => response.writeHead(403).end('AccessDenied')],
      [narinfoOf('text-1'), (response) => response.end('<html>Sign in</html>')],
      [narinfoOf('jq-1.6'), (response) => response.end(' '.repeat(2 * 1024 * 1024 + 1))],
    ])
    site.listener = (path, response, answer) => {
      const special = answers.get(path)
      if (special) special(response)
      else answer()
    }
    const unusable = ['text-1', 'jq-1.6'].map((name) => `${site.cache}/${narinfoOf(name).slice(7)}`)
    assert.deepEqual(await count(), { names: 1, paths: 7, missing: 2, unusable: unusable.sort() })
    assert.equal(await readFile(outPath, 'utf8'), '{\n"glibc-2.36": 2\n}\n')
  })

  test('refuses a narinfo of another path, and a cache that has nothing of the channel', async (context) => {
    const { site, outPath, count } = await setUp(context)
    const text = `StorePath: /nix/store/${baseNameOf('other-1')}\nReferences: \n`
    site.listener = (path, response, answer) => (isNarinfo(path) ? response.end(text) : answer())
    await assert.rejects(count(), /has no store path of http/)
    await assert.rejects(count({ cache: `${site.cache}/elsewhere/` }), /has no store path/)
    assert.equal(existsSync(outPath), false)
  })

  test('goes on after an abort, past half a line, and forgets another revision', async (context) => {
    const { site, outPath, workDirectory, count } = await setUp(context, manyPackages(200))
    const stopping = new AbortController()
    let asked = 0
    site.listener = (path, _response, answer) => {
      if (isNarinfo(path) && ++asked > 120) stopping.abort(new Error('Ctrl-C'))
      else answer()
    }
    await assert.rejects(count({}, stopping.signal), /Ctrl-C/)
    const [name = ''] = await readdir(workDirectory)
    const path = join(workDirectory, name)
    const text = await readFile(path, 'utf8')
    const lines = text.split('\n').filter((line) => line.startsWith('["')).length
    assert.ok(lines > 100 && lines <= 120, `${lines} lines`)
    // As a process leaves it that is killed while it writes.
    await writeFile(path, text.slice(0, -10))

    site.requests.length = 0
    const resumed = new AbortController()
    site.listener = (_path, _response, answer) => {
      if (site.requests.filter(isNarinfo).length > 20) resumed.abort(new Error('again'))
      else answer()
    }
    await assert.rejects(count({}, resumed.signal), /again/)
    site.listener = (_path, _response, answer) => answer()
    site.requests.length = 0
    await count()
    const rest = site.requests.filter(isNarinfo).length
    assert.ok(rest >= 201 - lines + 1 - 20 && rest < 201 - 100, `${rest} of 201 again`)
    assert.equal(await readFile(outPath, 'utf8'), '{\n"base-1": 200\n}\n')

    await mkdir(workDirectory, { recursive: true })
    await writeFile(path, text)
    site.publish(manyPackages(150))
    site.requests.length = 0
    await count()
    assert.equal(site.requests.filter(isNarinfo).length, 151)
    assert.equal(await readFile(outPath, 'utf8'), '{\n"base-1": 150\n}\n')
  })

  test('says of a channel what is wrong with its list', async (context) => {
    const { site, count } = await setUp(context)
    const answerWith = (body: Buffer | string) => {
      site.listener = (_path, response) => response.end(body)
    }
    const pack = (text: string) => execFileSync('xz', ['--stdout'], { input: text })
    const message = /store-paths\.xz is no list of store paths/
    const causes: ReadonlyArray<readonly [Buffer | string, RegExp]> = [
      ['<html>Moved</html>', /cannot be unpacked: .*format not recognized/],
      [pack('/nix/store/nonsense\n'), /"\/nix\/store\/nonsense" is no store path/],
      [pack(''), /it is empty/],
      [pack('/nix/store/x\n').subarray(0, 40), /cannot be unpacked: .*Unexpected end/],
    ]
    for (const [body, cause] of causes) {
      answerWith(body)
      await assert.rejects(count(), (error) => {
        assert.ok(error instanceof Error && error.cause instanceof Error)
        assert.match(error.message, message)
        assert.match(error.cause.message, cause)
        return true
      })
    }
    await assert.rejects(count({ channel: `${site.channel}/none` }), message)
    site.listener = (_path, _response, answer) => answer()
    await assert.rejects(count({ channel: `${site.channel}/none` }), /store-paths\.xz answers 404/)
  })
})
