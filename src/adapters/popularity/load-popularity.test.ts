import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { digestOf } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { loadPopularity } from './load-popularity.ts'

const signal = new AbortController().signal
const snapshot = '{"glibc-2.36": 300000, "jq-1.6": 12}'
const popularity = {
  kind: 'snapshot',
  version: digestOf(snapshot),
  ratings: new Map([
    ['glibc-2.36', 300000],
    ['jq-1.6', 12],
  ]),
}

async function setUp(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-popularity-'))
  context.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'popularity.json')
  const state = join(directory, 'state')
  return { path, url: pathToFileURL(path).href, state }
}

/** The origin of a server that answers as the test says. */
async function startServer(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.closeAllConnections())
  context.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('loadPopularity() reads a file and names its version by its bytes', async (context) => {
  const { path, url, state } = await setUp(context)
  await writeFile(path, snapshot)
  assert.deepEqual(await loadPopularity(url, state, signal), { kind: 'loaded', popularity })
  assert.equal((await readdir(state)).length, 1)
})

test('loadPopularity() serves what it loaded last while the address cannot be read', async (context) => {
  const { state } = await setUp(context)
  let status = 200
  const origin = await startServer(context, (_request, response) => {
    response.writeHead(status).end(snapshot)
  })
  const load = (name: string) => loadPopularity(`${origin}/${name}`, state, signal)
  assert.deepEqual(await load('popularity.json'), { kind: 'loaded', popularity })

  status = 503
  const kept = await load('popularity.json')
  assert.ok(kept.kind === 'kept')
  assert.deepEqual(kept.popularity, popularity)
  assert.match(String(kept.error), /popularity\.json answers 503/)
  const other = await load('other.json')
  assert.equal(other.kind, 'missing', 'what another address gave says nothing about this one')
})

test('loadPopularity() goes without what is not a table of ratings, kept or not', async (context) => {
  const { path, url, state } = await setUp(context)
  const wrong: ReadonlyArray<readonly [text: string, why: string]> = [
    ['[]', 'must be a JSON object {"name": number}'],
    ['{"a": "1"}', 'a: must be a number from 0 on'],
    ['{"a": -1, "b": -1}', 'a: must be a number from 0 on'],
    ['nonsense', 'must be a JSON object {"name": number}'],
  ]
  for (const [text, why] of wrong) {
    await writeFile(path, text)
    const { kind, error } = { error: undefined, ...(await loadPopularity(url, state, signal)) }
    assert.deepEqual(
      [kind, String(error)],
      ['missing', `Error: ${url} is no popularity file: ${why}`],
    )
  }
  await writeFile(path, snapshot)
  await loadPopularity(url, state, signal)
  const [kept = ''] = await readdir(state)
  await writeFile(join(state, kept), snapshot.slice(0, 10))
  await rm(path)
  const missing = await loadPopularity(url, state, signal)
  assert.ok(missing.kind === 'missing')
  assert.match(String(missing.error), /is damaged/)
})

test('loadPopularity() stops to read a body that does not end', async (context) => {
  const { state } = await setUp(context)
  const origin = await startServer(context, (_request, response) => {
    const endless = new Readable({ read: () => void endless.push(Buffer.alloc(65_536, ' ')) })
    endless.pipe(response)
    response.once('close', () => endless.destroy())
  })
  const missing = await loadPopularity(`${origin}/endless`, state, signal)
  assert.ok(missing.kind === 'missing')
  assert.match(String(missing.error), /has more than 16777216 bytes/)
})

test('loadPopularity() ends with the signal, and does not take that for a failed download', async (context) => {
  const { state } = await setUp(context)
  const stopping = new AbortController()
  const origin = await startServer(context, () => stopping.abort(new Error('stop')))
  await assert.rejects(loadPopularity(origin, state, stopping.signal), /stop/)
})

test('loadPopularity() throws when it cannot keep what it loaded', async (context) => {
  const { path, url, state } = await setUp(context)
  await writeFile(path, snapshot)
  await mkdir(state)
  await loadPopularity(url, state, signal)
  const [kept = ''] = await readdir(state)
  await rm(join(state, kept))
  await mkdir(join(state, kept))
  await assert.rejects(
    loadPopularity(url, state, signal),
    (error) => error instanceof OperatingError && error.code === 'STORAGE_FAILED',
  )
  assert.deepEqual(await readdir(state), [kept], 'and leaves nothing unfinished')
})
