import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { digestOf } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { RequestFacts } from '#engine/ports/request-log.ts'
import type { ServedImage } from '#engine/serve-platforms.ts'
import { keepImageAnswer, makeAnswer, recallAnswer } from './manifest-answers.ts'
import { createRegistryServer } from './registry-server.ts'
import type { Registry } from './registry.ts'
import type { Exchange } from './response.ts'

const signal = new AbortController().signal
const documents = [mediaTypes.ociManifest, mediaTypes.dockerManifest].map((mediaType) => {
  // Not ASCII: what is sent are the bytes, and their number.
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, name: 'größe' }))
  return { mediaType, bytes, digest: digestOf(bytes), size: bytes.length }
})
const [oci, docker] = documents as [(typeof documents)[0], (typeof documents)[0]]

/** Answers are kept with the image that they were made of. */
function makeImage(): ServedImage {
  return {
    kind: 'image',
    cached: true,
    pinned: { source: 'ours', revision: 'r1', identity: 'r1', fixed: true },
    image: { manifests: documents, blobs: [] },
  }
}

/** A registry that recalls what it has served, and counts how often it had to look for it. */
async function startRegistry(context: TestContext) {
  const { blobs } = createMemoryStorage()
  for (const { bytes, digest } of documents) {
    const upload = await blobs.upload('application/json', signal)
    await upload.write(bytes)
    await upload.publish(digest)
  }
  const image = makeImage()
  const looked: string[] = []
  const requests: RequestFacts[] = []
  const world = { isRecent: true }
  const server = createRegistryServer({
    registry: () => ({
      blobs,
      manifest: async ({ name }) => {
        looked.push(name)
        return image
      },
      recall: () => (world.isRecent && looked.length > 0 ? image : undefined),
      storedManifest: async (digest) => {
        looked.push(digest)
        return documents.find((document) => document.digest === digest)?.bytes
      },
      recallStored: (_name, digest) =>
        looked.includes(digest)
          ? documents.find((document) => document.digest === digest)?.bytes
          : undefined,
      refuse: async () => undefined,
      near: async () => [],
    }),
    log: { request: (facts) => requests.push(facts), failure: assert.fail },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const send = async (path: string, accept: string, init: RequestInit = {}) => {
    const headers = { accept, ...(init.headers as Record<string, string>) }
    const answer = await fetch(`http://127.0.0.1:${port}/v2/git/manifests/${path}`, {
      ...init,
      headers,
    })
    const { date: _date, connection: _connection, ...sent } = Object.fromEntries(answer.headers)
    delete sent['keep-alive']
    return { status: answer.status, headers: sent, body: Buffer.from(await answer.arrayBuffer()) }
  }
  return { send, looked, requests, world }
}

test('what is recalled is answered as it was the first time', async (context) => {
  for (const { mediaType, digest, bytes } of documents)
    for (const reference of ['latest', digest]) {
      const { send, looked, requests } = await startRegistry(context)
      const first = await send(reference, mediaType)
      assert.equal(first.status, 200)
      assert.ok(first.body.equals(bytes))
      assert.deepEqual(await send(reference, mediaType), first)
      const head = await send(reference, mediaType, { method: 'HEAD' })
      assert.deepEqual(head, { ...first, body: Buffer.alloc(0) })
      const known = await send(reference, mediaType, {
        headers: { 'if-none-match': `"${digest}"` },
      })
      assert.deepEqual([known.status, known.body.length], [304, 0])
      assert.equal(known.headers['docker-content-digest'], digest)
      assert.equal(looked.length, 1)
      const facts = requests.map(({ source, revision, status }) => [source, revision, status])
      const [source, revision] = reference === 'latest' ? ['ours', 'r1'] : []
      assert.deepEqual(facts, [
        ...Array.from({ length: 3 }, () => [source, revision, 200]),
        [source, revision, 304],
      ])
    }
})

test('another Accept header is negotiated anew, from the same image', async (context) => {
  const { send, looked } = await startRegistry(context)
  const accepts = [mediaTypes.ociManifest, mediaTypes.dockerManifest, '*/*']
  for (let round = 0; round < 2; round += 1)
    for (const accept of accepts) {
      const wanted = accept === mediaTypes.dockerManifest ? docker : oci
      assert.equal((await send('latest', accept)).headers['docker-content-digest'], wanted.digest)
    }
  assert.equal(looked.length, accepts.length)
})

test('what is no longer recalled is looked for', async (context) => {
  const { send, looked, world } = await startRegistry(context)
  await send('latest', '*/*')
  await send('latest', '*/*')
  world.isRecent = false
  await send('latest', '*/*')
  assert.deepEqual(looked, ['git', 'git'])
})

test('Accept headers that choose one manifest share its answer', () => {
  const image = makeImage()
  const registry = { recall: () => image } as Partial<Registry> as Registry
  const recall = (accept: string) => {
    const exchange = { request: { headers: { accept } } } as Exchange
    const known = recallAnswer(exchange, registry, 'git', { kind: 'tag', tag: 'latest' })
    if (known === undefined)
      keepImageAnswer(exchange, image, makeAnswer({ ...oci, more: {}, facts: {} }))
    return known
  }
  const accepts = ['*/*', 'application/*']
  for (const accept of accepts) assert.equal(recall(accept), undefined)
  const [one, other] = accepts.map(recall)
  assert.ok(one)
  assert.equal(one, other)
})
