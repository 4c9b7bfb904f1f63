import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { makePaperStorage } from '#test/fakes/paper-storage.ts'
import type { StorageEvent } from './ports/storage-observer.ts'
import { readStoredManifest } from './read-stored-manifest.ts'
import type { ManifestEntry } from './stored-entries.ts'

const { signal } = new AbortController()

async function start() {
  const paper = makePaperStorage()
  const image: ManifestEntry = await paper.start().image('p1')
  const observed: StorageEvent[] = []
  const tools = {
    ...paper.start().tools,
    storageObserver: { observe: (event: StorageEvent) => observed.push(event) },
  }
  const read = (digest: Digest) => readStoredManifest(tools, digest, signal)
  return { ...paper, image, tools, observed, read }
}

test('readStoredManifest() gives the bytes, and says that they are used', async () => {
  const { image, read, pass, nowMs, storage } = await start()
  pass(60_000)
  for (const { digest } of image.manifests) {
    const bytes = await read(digest)
    assert.equal(bytes && digestOf(bytes), digest)
    assert.equal(await storage.upkeep.lastUse(digest, signal), nowMs())
  }
})

test('readStoredManifest() gives nothing while a blob is missing, and tells of it', async () => {
  const { image, read, storage, observed } = await start()
  const { digest } = image.manifests[0]!
  const lost = image.blobs[1]!.digest
  await storage.upkeep.removeBlob(lost, signal)
  assert.equal(await read(digest), undefined)
  assert.deepEqual(observed, [{ kind: 'blob-missing', digest: lost }])
})

test('readStoredManifest() gives nothing while a blob has another size', async () => {
  const { image, read, storage } = await start()
  const upload = await storage.blobs.upload('application/octet-stream', signal)
  await upload.write(Buffer.from('cut'))
  await upload.publish(image.blobs[1]!.digest)
  assert.equal(await read(image.manifests[0]!.digest), undefined)
})

test('readStoredManifest() gives nothing that is left in a near cache only', async () => {
  const { image, tools, storage } = await start()
  const { digest } = image.manifests[0]!
  const bytes = await storage.blobs.readDocument(digest, signal)
  await storage.upkeep.removeBlob(digest, signal)
  const near = { ...tools, blobs: { ...tools.blobs, readDocument: async () => bytes } }
  assert.equal(await readStoredManifest(near, digest, signal), undefined)
})

test('readStoredManifest() writes nothing for a digest that was never there', async () => {
  const { read, dump } = await start()
  const before = await dump()
  assert.equal(await read(digestOf('absent')), undefined)
  assert.deepEqual(await dump(), before)
})

test('readStoredManifest() gives nothing that is absent, no manifest, or about to be removed', async () => {
  const { image, read, storage, nowMs } = await start()
  const { digest } = image.manifests[0]!
  assert.equal(await read(digestOf('absent')), undefined)
  assert.equal(await read(image.blobs[0]!.digest), undefined, 'the config')
  await storage.upkeep.postNotice('c', { digests: [digest], untilMs: nowMs() + 1 }, signal)
  assert.equal(await read(digest), undefined)
  await storage.upkeep.withdrawNotice('c', signal)
  assert.ok(await read(digest))
})
