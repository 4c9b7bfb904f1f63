import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { listen, stop } from '#test/sources/git-servers.ts'
import { createInputFetchers } from './input-fetchers.ts'

const signal = new AbortController().signal

test('createInputFetchers() downloads a file, and shows nobody its login', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-input-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const server = createServer((request, response) => {
    if (request.url === '/cut') {
      response.writeHead(200, { 'content-length': 100 })
      response.write('part', () => response.destroy())
    } else if (request.url === '/none') response.writeHead(404).end()
    else if (request.url === '/down') response.writeHead(502).end()
    else response.end(request.headers.authorization ?? 'nobody')
  })
  const port = await listen(server)
  context.after(() => stop(server))
  const fetchers = createInputFetchers({
    gitDirectory: directory,
    environment: {},
    findCredential: async () => ({ username: 'operator', password: 'never in the clear' }),
  })
  const path = join(directory, 'file')
  const get = (name: string, login = 'ada:100%@') =>
    fetchers.file(`http://${login}127.0.0.1:${port}/${name}`, path, signal)

  assert.deepEqual(await get('file'), { kind: 'fetched' })
  const login = Buffer.from('ada:100%').toString('base64')
  assert.equal(await readFile(path, 'utf8'), `Basic ${login}`)
  assert.deepEqual(await get('file', ''), { kind: 'fetched' })
  assert.equal(await readFile(path, 'utf8'), 'nobody')
  assert.deepEqual(await get('none'), { kind: 'missing' })
  for (const name of ['down', 'cut']) {
    await assert.rejects(get(name), (error: unknown) => {
      assert.ok(error instanceof OperatingError)
      assert.equal(error.code, 'SOURCE_UNAVAILABLE')
      assert.ok(!`${error.message} ${String(error.cause)}`.includes('100%'), error.message)
      return true
    })
  }
})
