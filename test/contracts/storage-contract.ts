import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'

/** A backend under test; each test gets a storage of its own. */
export interface StorageUnderTest {
  readonly blobs: BlobStore
  readonly entries: EntryStore
}

const signal = new AbortController().signal
const key = cacheKeyOf('key')
const bytes = (text: string) => new TextEncoder().encode(text)

/** What every storage backend must do. `open` gives an empty storage, and a further view of the same one. */
export function storageContract(
  name: string,
  open: (context: TestContext) => Promise<readonly [StorageUnderTest, StorageUnderTest]>,
): void {
  test(`${name}: an unpublished upload is invisible, a published one is there whole`, async (context) => {
    const [{ blobs }, peer] = await open(context)
    const digest = digestOf('hello world')
    const upload = await blobs.upload(signal)
    await upload.write(bytes('hello '))
    await upload.write(bytes('world'))
    assert.equal(await peer.blobs.stat(digest, signal), undefined)
    assert.equal(await peer.blobs.open(digest, undefined, signal), undefined)
    await upload.publish(digest)
    await upload.discard()
    assert.deepEqual(await peer.blobs.stat(digest, signal), { sizeBytes: 11 })
    assert.equal(await readBlob(peer.blobs, digest), 'hello world')
  })

  test(`${name}: ranges include both ends`, async (context) => {
    const [{ blobs }] = await open(context)
    const digest = await put(blobs, 'hello world')
    assert.equal(await readBlob(blobs, digest, { start: 0, end: 0 }), 'h')
    assert.equal(await readBlob(blobs, digest, { start: 4, end: 6 }), 'o w')
    assert.equal(await readBlob(blobs, digest, { start: 10, end: 10 }), 'd')
  })

  test(`${name}: a writer may use its buffer again`, async (context) => {
    const [{ blobs }] = await open(context)
    const upload = await blobs.upload(signal)
    const chunk = bytes('ab')
    await upload.write(chunk)
    chunk.fill(0)
    await upload.publish(digestOf('ab'))
    await upload.discard()
    assert.equal(await readBlob(blobs, digestOf('ab')), 'ab')
  })

  test(`${name}: discarded and repeated uploads change nothing`, async (context) => {
    const [{ blobs }] = await open(context)
    const dropped = await blobs.upload(signal)
    await dropped.write(bytes('gone'))
    await dropped.discard()
    await dropped.discard()
    assert.equal(await blobs.stat(digestOf('gone'), signal), undefined)
    await put(blobs, 'twice')
    await put(blobs, 'twice')
    assert.equal(await readBlob(blobs, digestOf('twice')), 'twice')
  })

  test(`${name}: a stored blob of another length is replaced by the next publish`, async (context) => {
    const [{ blobs }] = await open(context)
    const digest = digestOf('whole')
    await put(blobs, 'who', digest)
    await put(blobs, 'whole', digest)
    assert.equal(await readBlob(blobs, digest), 'whole')
  })

  test(`${name}: documents are checked and bounded`, async (context) => {
    const [{ blobs }] = await open(context)
    const digest = await put(blobs, '{}')
    assert.equal(new TextDecoder().decode(await blobs.readDocument(digest, signal)), '{}')
    assert.equal(await blobs.readDocument(digestOf('absent'), signal), undefined)
    const damaged = digestOf('what it should be')
    await put(blobs, 'what it is', damaged)
    assert.equal(await blobs.readDocument(damaged, signal), undefined)
    const large = await put(blobs, 'x'.repeat(maxDocumentBytes + 1))
    assert.equal(await blobs.readDocument(large, signal), undefined)
  })

  test(`${name}: the first writer of an entry wins`, async (context) => {
    const [{ entries }, peer] = await open(context)
    assert.equal(await entries.get('builds', key, signal), undefined)
    assert.deepEqual(await entries.putFirst('builds', key, { by: 1 }, signal), { by: 1 })
    assert.deepEqual(await peer.entries.putFirst('builds', key, { by: 2 }, signal), { by: 1 })
    assert.deepEqual(await peer.entries.get('builds', key, signal), { by: 1 })
    assert.equal(await entries.get('manifests', key, signal), undefined, 'kinds are apart')
  })

  test(`${name}: of many writers at once one wins, for all of them`, async (context) => {
    const storages = await open(context)
    const stored = await Promise.all(
      Array.from({ length: 20 }, (_, by) =>
        storages[by % 2 === 0 ? 0 : 1].entries.putFirst('builds', key, { by }, signal),
      ),
    )
    for (const value of stored) assert.deepEqual(value, stored[0])
  })

  test(`${name}: a removed entry can be written again`, async (context) => {
    const [{ entries }] = await open(context)
    await entries.remove('builds', key, signal)
    await entries.putFirst('builds', key, 1, signal)
    await entries.remove('builds', key, signal)
    assert.equal(await entries.putFirst('builds', key, 2, signal), 2)
  })
}

async function put(blobs: BlobStore, text: string, digest = digestOf(text)): Promise<Digest> {
  const upload = await blobs.upload(signal)
  await upload.write(bytes(text))
  await upload.publish(digest)
  await upload.discard()
  return digest
}

async function readBlob(
  blobs: BlobStore,
  digest: Digest,
  range?: { readonly start: number; readonly end: number },
): Promise<string> {
  const stream = await blobs.open(digest, range, signal)
  assert.ok(stream, `${digest} is stored`)
  return (await buffer(stream)).toString()
}
