import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { digestOf } from '#core/oci/digest.ts'
import { loadPopularity } from './load-popularity.ts'

const snapshot = '{"glibc-2.36": 300000, "jq-1.6": 12}'

async function writeSnapshot(context: TestContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-popularity-'))
  context.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'popularity.json')
  await writeFile(path, text)
  return pathToFileURL(path).href
}

test('loadPopularity() reads a file and names its version by its bytes', async (context) => {
  assert.deepEqual(await loadPopularity(await writeSnapshot(context, snapshot)), {
    kind: 'snapshot',
    version: digestOf(snapshot),
    ratings: new Map([
      ['glibc-2.36', 300000],
      ['jq-1.6', 12],
    ]),
  })
})

test('loadPopularity() reads over HTTP and says what the server refuses', async (context) => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/popularity.json' ? 200 : 404).end(snapshot)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const popularity = await loadPopularity(`${origin}/popularity.json`)
  assert.equal(popularity.kind === 'snapshot' && popularity.version, digestOf(snapshot))
  await assert.rejects(loadPopularity(`${origin}/other.json`), /other\.json answers 404/)
})

test('loadPopularity() refuses what is not a table of ratings', async (context) => {
  for (const text of ['[]', '{"a": "1"}', '{"a": -1}', 'nonsense']) {
    await assert.rejects(loadPopularity(await writeSnapshot(context, text)), Error, text)
  }
  await assert.rejects(loadPopularity('file:///does/not/exist'), /ENOENT/)
})
