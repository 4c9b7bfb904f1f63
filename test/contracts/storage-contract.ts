import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { StorageWatch } from '#engine/ports/storage-watch.ts'

const signal = new AbortController().signal
const key = cacheKeyOf('key')
const bytes = (text: string) => new TextEncoder().encode(text)

/** What every storage backend must do. `open` gives an empty storage, and a further view of the same one. */
export function storageContract(
  name: string,
  open: (context: TestContext) => Promise<readonly [Storage, Storage]>,
): void {
  test(`${name}: an unpublished upload is invisible, a published one is there whole`, async (context) => {
    const [{ blobs }, peer] = await open(context)
    const digest = digestOf('hello world')
    const upload = await blobs.upload('application/octet-stream', signal)
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

  test(`${name}: a blob that is a file of this machine reads as such`, async (context) => {
    const [{ blobs, upkeep }, peer] = await open(context)
    if (blobs.openFile === undefined) return context.skip('its blobs are no files of this machine')
    assert.equal(await blobs.openFile(digestOf('absent'), signal), undefined)
    const digest = await put(peer.blobs, 'hello world')
    const file = await blobs.openFile(digest, signal)
    assert.ok(file)
    const into = Buffer.alloc(6)
    assert.deepEqual([await file.read(into, 6), into.toString('latin1', 0, 5)], [5, 'world'])
    assert.equal(await file.read(into, 11), 0)
    assert.deepEqual([file.sizeBytes, file.isUnchanged()], [11, true])
    const other = await blobs.openFile(digest, signal)
    assert.equal(other?.identity, file.identity)
    await other?.close()
    await upkeep.removeBlob(digest, signal)
    assert.equal(file.isUnchanged(), false)
    assert.equal(await file.read(into, 0), 6, 'who reads a removed blob reads on')
    await file.close()
  })

  test(`${name}: a storage that is watched tells what came or went`, async (context) => {
    const [{ entries, upkeep, watch }, peer] = await open(context)
    if (watch === undefined) return context.skip('nothing tells of changes without a request')
    const digest = digestOf('hello')
    const changes = [
      () => put(peer.blobs, 'hello'),
      () => entries.putFirst('manifests', key, {}, signal),
      () => peer.entries.remove('manifests', key, signal),
      () => upkeep.quarantineBlob(digest, signal),
    ]
    let before = await settledState(watch)
    for (const change of changes) {
      await change()
      const after = await settledState(watch)
      assert.notEqual(after, before, change.toString())
      before = after
    }
    await peer.upkeep.recordUse(digest, signal)
    assert.equal(await settledState(watch), before, 'a use changes no blob')
  })

  test(`${name}: an empty blob is a blob`, async (context) => {
    const [{ blobs, upkeep }] = await open(context)
    const digest = await put(blobs, '')
    assert.deepEqual(await blobs.stat(digest, signal), { sizeBytes: 0 })
    assert.equal(await readBlob(blobs, digest), '')
    assert.equal((await blobs.readDocument(digest, signal))?.length, 0)
    assert.equal(await upkeep.quarantineBlob(digest, signal), true)
  })

  test(`${name}: calls for a caller who is gone fail with nothing but that`, async (context) => {
    const [{ blobs, entries, upkeep, locator }] = await open(context)
    const digest = await put(blobs, 'hello')
    const reason = new Error('the caller is gone')
    const gone = AbortSignal.abort(reason)
    const calls = [
      () => blobs.stat(digest, gone),
      () => blobs.open(digest, undefined, gone).then((stream) => stream?.destroy()),
      () => blobs.readDocument(digest, gone),
      () => blobs.upload('application/json', gone).then((upload) => upload.discard()),
      () => entries.get('builds', key, gone),
      () => entries.putFirst('builds', key, {}, gone),
      () => upkeep.recordUse(digest, gone),
      () => upkeep.lastUse(digest, gone),
      () => upkeep.notices(gone),
      () => upkeep.quarantineBlob(digest, gone),
      () => locator?.locate(digest, gone),
    ]
    // Backends that answer at once may answer all the same.
    for (const call of calls)
      await call()?.catch((error: unknown) => assert.equal(error, reason, call.toString()))
    // A rejection that nobody hears fails the test, and would end a service.
    await new Promise(setImmediate)
  })

  test(`${name}: a writer may use its buffer again`, async (context) => {
    const [{ blobs }] = await open(context)
    const upload = await blobs.upload('application/octet-stream', signal)
    const chunk = bytes('ab')
    await upload.write(chunk)
    chunk.fill(0)
    await upload.publish(digestOf('ab'))
    await upload.discard()
    assert.equal(await readBlob(blobs, digestOf('ab')), 'ab')
  })

  test(`${name}: discarded and repeated uploads change nothing`, async (context) => {
    const [{ blobs }] = await open(context)
    const dropped = await blobs.upload('application/octet-stream', signal)
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

  test(`${name}: lists what is stored, and nothing after it was removed`, async (context) => {
    const [{ blobs, entries, upkeep }, peer] = await open(context)
    assert.deepEqual(await Array.fromAsync(upkeep.blobs(signal)), [])
    const before = await upkeep.nowMs(signal)
    const digest = await put(blobs, 'hello')
    await entries.putFirst('builds', key, 1, signal)
    const [blob, ...others] = await Array.fromAsync(peer.upkeep.blobs(signal))
    assert.deepEqual(others, [])
    assert.deepEqual({ ...blob, changedMs: 0 }, { digest, sizeBytes: 5, changedMs: 0 })
    const [entry] = await Array.fromAsync(peer.upkeep.entries('builds', signal))
    assert.equal(entry?.key, key)
    // Some storages count in whole seconds.
    for (const { changedMs = 0 } of [blob ?? {}, entry ?? {}])
      assert.ok(changedMs >= before - 1000 && changedMs <= (await upkeep.nowMs(signal)) + 1000)
    assert.deepEqual(await Array.fromAsync(upkeep.entries('manifests', signal)), [])

    await peer.upkeep.removeBlob(digest, signal)
    await peer.upkeep.removeBlob(digest, signal)
    assert.equal(await blobs.stat(digest, signal), undefined)
    assert.deepEqual(await Array.fromAsync(upkeep.blobs(signal)), [])
  })

  test(`${name}: lists more than one page`, async (context) => {
    const [{ upkeep }] = await open(context)
    const digests = Array.from({ length: 1100 }, (_, index) => digestOf(String(index)))
    // Servers of tests are slow to answer a thousand requests at once.
    for (let start = 0; start < digests.length; start += 50)
      await Promise.all(
        digests.slice(start, start + 50).map((digest) => upkeep.recordUse(digest, signal)),
      )
    const uses = await Array.fromAsync(upkeep.uses(signal))
    assert.deepEqual(uses.map(({ digest }) => digest).sort(), digests.sort())
  })

  test(`${name}: uses are recorded, renewed and forgotten`, async (context) => {
    const [{ upkeep }, peer] = await open(context)
    const digest = digestOf('used')
    assert.equal(await upkeep.lastUse(digest, signal), undefined)
    const before = await upkeep.nowMs(signal)
    await upkeep.recordUse(digest, signal)
    const first = await peer.upkeep.lastUse(digest, signal)
    assert.ok(first !== undefined && first >= before - 1000, 'recorded')
    await peer.upkeep.recordUse(digest, signal)
    const second = await upkeep.lastUse(digest, signal)
    assert.ok(second !== undefined && second >= first, 'renewed')
    assert.deepEqual(await Array.fromAsync(upkeep.uses(signal)), [{ digest, usedMs: second }])
    await peer.upkeep.forgetUse(digest, signal)
    assert.deepEqual(await Array.fromAsync(upkeep.uses(signal)), [])
  })

  test(`${name}: everybody reads a collector's notice until it is withdrawn`, async (context) => {
    const [{ upkeep }, peer] = await open(context)
    assert.equal((await upkeep.notices(signal)).size, 0)
    const notice = { digests: [digestOf('doomed')], untilMs: 12 }
    await upkeep.postNotice('a', { digests: [], untilMs: 1 }, signal)
    await upkeep.postNotice('a', notice, signal)
    await upkeep.postNotice('b', { digests: [], untilMs: 2 }, signal)
    const read = await peer.upkeep.notices(signal)
    assert.deepEqual([...read.keys()].sort(), ['a', 'b'])
    assert.deepEqual(read.get('a'), notice)
    await upkeep.withdrawNotice('a', signal)
    await upkeep.withdrawNotice('b', signal)
    assert.equal((await peer.upkeep.notices(signal)).size, 0)
  })

  test(`${name}: a quarantined blob is no blob, and can be written again`, async (context) => {
    const [{ blobs, upkeep }, peer] = await open(context)
    const digest = digestOf('what it should be')
    assert.equal(await upkeep.quarantineBlob(digest, signal), false)
    await put(blobs, 'what it is', digest)
    assert.equal(await upkeep.quarantineBlob(digest, signal), true)
    assert.equal(await peer.blobs.stat(digest, signal), undefined)
    const [kept] = await Array.fromAsync(peer.upkeep.quarantined(signal))
    assert.deepEqual({ ...kept, changedMs: 0 }, { digest, sizeBytes: 10, changedMs: 0 })
    await put(blobs, 'what it should be')
    assert.equal(await readBlob(peer.blobs, digest), 'what it should be')
    await upkeep.removeQuarantined(digest, signal)
    assert.deepEqual(await Array.fromAsync(upkeep.quarantined(signal)), [])
    assert.equal(await readBlob(blobs, digest), 'what it should be')
  })
}

async function put(blobs: BlobStore, text: string, digest = digestOf(text)): Promise<Digest> {
  const upload = await blobs.upload('application/octet-stream', signal)
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

/** Once the clock of the file system has ticked on, so that a further change could not go unnoticed. */
async function settledState(watch: StorageWatch): Promise<number> {
  for (;;) {
    await new Promise(setImmediate)
    const state = watch.state()
    if (state !== undefined) return state
  }
}
