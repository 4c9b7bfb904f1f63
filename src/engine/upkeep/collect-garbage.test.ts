import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStorage } from '#adapters/storage/object-storage.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { platformOf } from '#core/nix/system.ts'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import type { RetentionPolicy } from '#core/retention/retention-policy.ts'
import { findLost, makePaperStorage } from '#test/fakes/paper-storage.ts'
import { collectGarbage, type Collected, type CollectionEvent } from './collect-garbage.ts'
import type { Storage } from '../ports/storage.ts'
import { readStoredManifest } from '../read-stored-manifest.ts'
import { serveManifest } from '../serve-manifest.ts'
import { parseBuildEntry, parseManifestEntry } from '../stored-entries.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const graceMs = hourMs
const twoPlatforms = [platformOf('amd64'), platformOf('arm64')] as const

interface Changes {
  readonly dryRun?: boolean
  readonly storage?: Storage
  readonly events?: CollectionEvent[]
  readonly signal?: AbortSignal
}

/** Three images: p1 and p31 share their rare library, all of them one. */
async function start(names: readonly string[] = ['p1', 'p2', 'p31']) {
  const paper = makePaperStorage()
  const { storage } = paper
  const instance = paper.start()
  const images = new Map<string, Digest>()
  for (const name of names) {
    const { manifests } = await instance.image(name)
    images.set(name, manifests[0]!.digest)
    paper.pass(minuteMs)
  }
  const run = (policy: Partial<RetentionPolicy> = {}, changes: Changes = {}) =>
    collectGarbage(
      changes.storage ?? storage,
      { graceMs, ...policy },
      {
        dryRun: changes.dryRun ?? false,
        collector: 'test',
        observe: (event) => changes.events?.push(event),
        nowMs: paper.nowMs,
      },
      changes.signal ?? signal,
    )
  async function collect(policy: Partial<RetentionPolicy> = {}, changes?: Changes) {
    const outcome = await run(policy, changes)
    assert.ok(outcome.kind === 'collected', JSON.stringify(outcome))
    return outcome
  }
  /** The images that are there with all they need. */
  async function whole(): Promise<readonly string[]> {
    const found = []
    for (const [name, digest] of images)
      if ((await findLost(storage, digest)).length === 0) found.push(name)
    return found
  }
  const put = async (text: string) => {
    const upload = await storage.blobs.upload('application/octet-stream', signal)
    await upload.write(Buffer.from(text))
    await upload.publish(digestOf(text))
    return digestOf(text)
  }
  const keysIn = async (folder: string) =>
    [...(await paper.dump()).keys()].filter((key) => key.startsWith(`${folder}/`))
  return { ...paper, instance, images, run, collect, whole, put, keysIn }
}

test('without limits only garbage goes', async () => {
  const { collect, put, pass, whole, keysIn } = await start()
  await put('orphan')
  pass(hourMs)
  await put('fresh orphan')
  const before = (await keysIn('layers')).length
  const { images, blobs, sizeBytes, builds, fresh, left } = await collect()
  assert.deepEqual([images, blobs, sizeBytes, builds], [[], 1, 'orphan'.length, 0])
  assert.deepEqual(fresh, { images: 0, blobs: 1 })
  assert.equal(left.images, 3)
  assert.equal(left.blobs, before - 1)
  assert.deepEqual(await whole(), ['p1', 'p2', 'p31'])
  assert.equal((await keysIn('layers')).length, before - 1)
  assert.deepEqual(await keysIn('notices'), [])
})

test('an unused image goes with all that no other image needs', async () => {
  const { collect, pass, whole, keysIn, instance, images } = await start()
  pass(dayMs)
  await instance.image('p2')
  pass(2 * hourMs)
  const before = { layers: await keysIn('layers'), builds: await keysIn('builds') }
  const first = await collect({ unusedMs: 5 * hourMs })
  assert.deepEqual(await whole(), ['p2'])
  assert.equal(first.images.length, 2)
  assert.ok(first.images[0]!.usedMs < first.images[1]!.usedMs, 'least recently used first')
  assert.deepEqual(
    first.images.map(({ about }) => about?.name),
    ['p1', 'p31'],
  )
  assert.equal(before.layers.length - (await keysIn('layers')).length, first.blobs)
  assert.equal(before.builds.length - (await keysIn('builds')).length, first.builds)
  assert.equal((await keysIn('manifests')).length, 1)
  assert.equal((await keysIn('builds')).length, 5, 'its own layer, three libraries, the root layer')
  const hex = images.get('p1')!.slice('sha256:'.length)
  assert.ok(!(await keysIn('uses')).includes(`uses/${hex}`))

  const again = await collect({ unusedMs: 5 * hourMs })
  assert.deepEqual([again.images, again.blobs, again.builds], [[], 0, 0])
  const { manifests } = await instance.image('p1')
  assert.equal(manifests[0]!.digest, images.get('p1'), 'made again, and the same')
  assert.deepEqual(await whole(), ['p1', 'p2'])
})

test('an old image goes though it is used, but not while it is fresh', async () => {
  const { collect, pass, whole, instance } = await start(['p1', 'p2'])
  pass(dayMs)
  await instance.image('p1')
  const first = await collect({ ageMs: hourMs })
  assert.deepEqual(await whole(), ['p1'])
  assert.deepEqual(first.fresh.images, 1)
  pass(hourMs)
  await collect({ ageMs: hourMs })
  assert.deepEqual(await whole(), [])
})

test('by size the least recently used images go until the rest fits', async () => {
  const { collect, pass, whole, instance, keysIn } = await start()
  pass(dayMs)
  await instance.image('p1')
  pass(2 * hourMs)
  const all = (await collect()).left.sizeBytes
  const { images, left } = await collect({ mostBytes: all - 1 })
  assert.equal(images.length, 1)
  assert.deepEqual(await whole(), ['p1', 'p31'])
  assert.ok(left.sizeBytes < all)
  const none = await collect({ mostBytes: 0 })
  assert.deepEqual(none.left, { images: 0, blobs: 0, sizeBytes: 0 })
  for (const folder of ['layers', 'builds', 'manifests', 'notices'])
    assert.deepEqual(await keysIn(folder), [], folder)
})

test('a dry run reports what a run does, and changes nothing', async () => {
  const { collect, pass, put, dump, instance, storage } = await start()
  await put('orphan')
  await storage.entries.putFirst('builds', cacheKeyOf('broken'), 'no entry', signal)
  const damaged = await put('damaged')
  await storage.upkeep.quarantineBlob(damaged, signal)
  pass(8 * dayMs)
  await instance.image('p1')
  await put('fresh orphan')
  // The storage's time is read by writing one object.
  await storage.upkeep.nowMs(signal)
  const policy = { unusedMs: 2 * hourMs }
  const before = await dump()
  const planned = await collect(policy, { dryRun: true })
  assert.deepEqual(await dump(), before)
  assert.deepEqual(await collect(policy), planned)
  assert.equal(planned.images.length, 2)
  assert.deepEqual(
    [planned.unreadable, planned.quarantined, planned.fresh],
    [1, 1, { images: 0, blobs: 1 }],
  )
})

test('an index keeps all that it lists, and goes before its images do', async () => {
  const paper = makePaperStorage()
  const { tools } = paper.start()
  const both = { ...tools, grammar: { ...tools.grammar, platforms: twoPlatforms } }
  const pull = async () => {
    const request = { name: 'p1', tag: 'latest', acceptsIndex: true }
    const outcome = await serveManifest(both, request, signal)
    assert.ok(outcome.kind === 'image')
    return outcome.image.manifests[0]!.digest
  }
  const index = await pull()
  paper.pass(dayMs)
  // Only the index is used, so that the entries of its images go.
  await pull()
  paper.pass(2 * hourMs)
  const collect = (policy: Partial<RetentionPolicy>) =>
    collectGarbage(
      paper.storage,
      { graceMs, ...policy },
      { dryRun: false, collector: 'test', observe: () => {}, nowMs: paper.nowMs },
      signal,
    ) as Promise<Collected>
  const { images, blobs } = await collect({ unusedMs: 5 * hourMs })
  // What is noted of their contents goes with the entries; the same layers have the same contents.
  assert.deepEqual([images.length, blobs], [2, 1])
  assert.deepEqual(await findLost(paper.storage, index), [])

  // Now it is pulled by digest only, and its entry goes as well.
  paper.pass(dayMs)
  assert.ok(await readStoredManifest(both, index, signal))
  const { fresh } = await collect({ ageMs: hourMs })
  assert.equal(fresh.images, 1, 'a use by digest is a use')
  const key = (await Array.fromAsync(paper.storage.upkeep.entries('manifests', signal)))[0]!.key
  await paper.storage.entries.remove('manifests', key, signal)
  await collect({})
  assert.deepEqual(await findLost(paper.storage, index), [], 'without an entry')
  paper.pass(2 * hourMs)
  assert.equal((await collect({})).left.blobs, 0)
})

test('what is noted of an image stays as long as the image, and goes with it', async () => {
  const { collect, pass, storage, images } = await start(['p1'])
  const { key } = (await Array.fromAsync(storage.upkeep.entries('manifests', signal)))[0]!
  const noted = parseManifestEntry(await storage.entries.get('manifests', key, signal))?.contents
  assert.ok(noted)
  pass(dayMs)
  await collect({})
  assert.deepEqual(await storage.blobs.stat(noted.digest, signal), { sizeBytes: noted.size })
  assert.deepEqual(await findLost(storage, images.get('p1')!), [])
  await collect({ unusedMs: hourMs })
  assert.equal(await storage.blobs.stat(noted.digest, signal), undefined)
})

test('a manifest without an entry keeps what it needs while it is pulled', async () => {
  const { collect, pass, storage, instance, images, whole } = await start(['p1'])
  const { key } = (await Array.fromAsync(storage.upkeep.entries('manifests', signal)))[0]!
  await storage.entries.remove('manifests', key, signal)
  for (let pulls = 0; pulls < 3; pulls += 1) {
    pass(50 * minuteMs)
    assert.ok(await readStoredManifest(instance.tools, images.get('p1')!, signal))
    await collect({ mostBytes: 0 })
    assert.deepEqual(await whole(), ['p1'])
  }
  pass(hourMs)
  const { left } = await collect()
  assert.equal(left.blobs, 0)
})

test('another collector’s notice stops a run, also a dry one; its own and an old one do not', async () => {
  const { run, storage, nowMs, dump } = await start()
  const untilMs = nowMs() + minuteMs
  await storage.upkeep.nowMs(signal)
  await storage.upkeep.postNotice('other', { digests: [], untilMs }, signal)
  const before = await dump()
  const busy = { kind: 'busy', collector: 'other', untilMs }
  assert.deepEqual(await run(), busy)
  assert.deepEqual(await run({}, { dryRun: true }), busy)
  assert.deepEqual(await dump(), before)
  await storage.upkeep.postNotice('other', { digests: [], untilMs: nowMs() }, signal)
  await storage.upkeep.postNotice('test', { digests: [], untilMs }, signal)
  assert.equal((await run()).kind, 'collected')
})

test('what cannot be read or leads nowhere goes when it is old', async () => {
  const { collect, pass, storage, put, keysIn } = await start(['p1'])
  const { entries } = storage
  const builds = await keysIn('builds')
  const dangling = {
    digest: digestOf('nowhere'),
    sizeBytes: 1,
    diffId: digestOf('x'),
    archiveSizeBytes: 1,
  }
  await entries.putFirst('builds', cacheKeyOf('dangling'), dangling, signal)
  await entries.putFirst('builds', cacheKeyOf('broken'), 7, signal)
  await entries.putFirst('manifests', cacheKeyOf('broken'), null, signal)
  await storage.upkeep.recordUse(digestOf('gone'), signal)
  await storage.upkeep.quarantineBlob(await put('damaged'), signal)
  const first = await collect()
  assert.deepEqual([first.builds, first.unreadable, first.quarantined], [0, 0, 0])
  pass(2 * hourMs)
  const second = await collect()
  assert.deepEqual([second.builds, second.unreadable, second.quarantined], [1, 2, 0])
  assert.deepEqual(await keysIn('builds'), builds)
  assert.equal(await storage.upkeep.lastUse(digestOf('gone'), signal), undefined)
  pass(7 * dayMs)
  assert.equal((await collect()).quarantined, 1)
  assert.deepEqual(await keysIn('quarantine'), [])
})

test('layers are not read, however small they are', async () => {
  const { collect, pass, storage } = await start()
  pass(2 * hourMs)
  const layers = new Set<Digest>()
  for await (const { key } of storage.upkeep.entries('builds', signal))
    layers.add(parseBuildEntry(await storage.entries.get('builds', key, signal))!.digest)
  const read: Digest[] = []
  const watched: Storage = {
    ...storage,
    blobs: {
      ...storage.blobs,
      readDocument(digest, until) {
        read.push(digest)
        return storage.blobs.readDocument(digest, until)
      },
    },
  }
  await collect({ mostBytes: 0 }, { storage: watched })
  assert.notEqual(read.length, 0)
  assert.deepEqual(
    read.filter((digest) => layers.has(digest)),
    [],
  )
})

test('a batch ends in time, and what is left over goes the next time', async () => {
  const { collect, pass, put, objects, keysIn } = await start([])
  for (let number = 0; number < 40; number += 1) await put(`orphan ${number}`)
  pass(2 * hourMs)
  const slow: ObjectStore = {
    ...objects,
    async remove(key, until) {
      await objects.remove(key, until)
      if (key.startsWith('layers/')) pass(minuteMs)
    },
  }
  const { blobs } = await collect({}, { storage: createStorage(slow) })
  assert.ok(blobs > 0 && blobs < 40, `${blobs} removed`)
  assert.equal((await keysIn('layers')).length, 40 - blobs)
  assert.equal((await collect()).blobs, 40 - blobs)
})

test('what a left over manifest needs is left over too', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `p${index + 1}`)
  const { collect, pass, storage, objects, instance, images } = await start(names)
  pass(2 * hourMs)
  const slow = createStorage({
    ...objects,
    async remove(key, until) {
      await objects.remove(key, until)
      if (key.startsWith('layers/')) pass(minuteMs)
    },
  })
  const told: Digest[] = []
  const pulled: Storage = {
    ...slow,
    upkeep: {
      ...slow.upkeep,
      // Pulls of everything that is still there, while something else is about to go.
      async postNotice(collector, notice, until) {
        await slow.upkeep.postNotice(collector, notice, until)
        if (notice.digests.length === 0 || notice.digests.includes(images.get('p1')!)) return
        for (const digest of images.values())
          if (await readStoredManifest(instance.tools, digest, signal)) told.push(digest)
      },
    },
  }
  await collect({ mostBytes: 0 }, { storage: pulled })
  assert.notEqual(told.length, 0)
  for (const digest of told) assert.deepEqual(await findLost(storage, digest), [])
})

test('what an entry came to need after the look stays, even if nobody claimed it', async () => {
  const { collect, pass, put, storage } = await start([])
  const digest = await put('needed')
  pass(2 * hourMs)
  const image = {
    manifests: [{ mediaType: 'any', digest, size: 6 }],
    blobs: [{ digest, size: 6 }],
  }
  const written: Storage = {
    ...storage,
    upkeep: {
      ...storage.upkeep,
      async postNotice(collector, notice, until) {
        await storage.upkeep.postNotice(collector, notice, until)
        if (notice.digests.includes(digest))
          await storage.entries.putFirst('manifests', cacheKeyOf('late'), image, signal)
      },
    },
  }
  assert.equal((await collect({}, { storage: written })).blobs, 0)
  assert.ok(await storage.blobs.stat(digest, signal))
})

test('many blobs are removed in batches, and progress comes to its end', async () => {
  const { collect, pass, put, storage } = await start([])
  for (let number = 0; number < 2100; number += 1) await put(`orphan ${number}`)
  pass(2 * hourMs)
  const events: CollectionEvent[] = []
  const noticed: number[] = []
  const watched: Storage = {
    ...storage,
    upkeep: {
      ...storage.upkeep,
      postNotice(collector, notice, until) {
        noticed.push(notice.digests.length)
        return storage.upkeep.postNotice(collector, notice, until)
      },
    },
  }
  assert.equal((await collect({}, { events, storage: watched })).blobs, 2100)
  assert.deepEqual(noticed, [0, 1000, 0, 1000, 0, 100, 0])
  assert.deepEqual(events.at(-1), { kind: 'removing', done: 2100, total: 2100 })
})

test('a collector that dies at any call leaves nothing dangling, and the next one ends its work', async () => {
  for (let deadly = 0; ; deadly += 1) {
    const { collect, run, pass, storage, objects, instance, images, keysIn } = await start()
    pass(dayMs)
    await instance.image('p2')
    pass(2 * hourMs)
    const policy = { unusedMs: 5 * hourMs }
    let calls = 0
    const dying = dieAt(objects, () => calls++ >= deadly)
    const ended = await run(policy, { storage: createStorage(dying) }).then(
      () => true,
      () => false,
    )
    for await (const { key } of storage.upkeep.entries('manifests', signal)) {
      const entry = (await storage.entries.get('manifests', key, signal)) as {
        blobs: { digest: Digest }[]
      }
      for (const { digest } of entry.blobs)
        assert.ok(await storage.blobs.stat(digest, signal), `after ${deadly} calls`)
    }
    // An instance serves on, whatever notices the dead one has left.
    assert.deepEqual(await findLost(storage, images.get('p2')!), [])
    await collect(policy)
    assert.equal((await keysIn('manifests')).length, 1)
    // Layers, config, manifests and contents.
    assert.equal((await keysIn('layers')).length, 5 + 4)
    if (ended) break
  }
})

test('a collector that is interrupted at any call withdraws its notice', async () => {
  for (const moment of ['before', 'after'] as const) {
    const ended = []
    for (let call = 0; ended.at(-1) !== 'collected'; call += 1) {
      const { run, pass, put, objects, keysIn } = await start()
      await put('orphan')
      pass(2 * hourMs)
      const stopping = new AbortController()
      const interrupted = interruptAt(objects, call, moment, stopping)
      const storage = createStorage(interrupted)
      const running = run({ unusedMs: hourMs }, { storage, signal: stopping.signal })
      ended.push(await running.then(({ kind }) => kind).catch(describeReason))
      assert.deepEqual(await keysIn('notices'), [], `${moment} call ${call}`)
    }
    assert.ok(ended.length > 50, `${ended.length} calls`)
    assert.deepEqual(new Set(ended), new Set(['interrupted', 'collected']))
  }
})

function describeReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A storage during one of whose calls, counted from 0, somebody presses Ctrl-C. */
function interruptAt(
  objects: ObjectStore,
  interruptedCall: number,
  moment: 'before' | 'after',
  stopping: AbortController,
): ObjectStore {
  let calls = 0
  const call = async <T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    const isInterrupted = calls === interruptedCall
    calls += 1
    if (isInterrupted && moment === 'before') stopping.abort(new Error('interrupted'))
    signal.throwIfAborted()
    const result = await run()
    if (isInterrupted) stopping.abort(new Error('interrupted'))
    signal.throwIfAborted()
    return result
  }
  return {
    ...objects,
    stat: (key, until) => call(() => objects.stat(key, until), until),
    read: (key, mostBytes, until) => call(() => objects.read(key, mostBytes, until), until),
    put: (key, bytes, type, until) => call(() => objects.put(key, bytes, type, until), until),
    touch: (key, until) => call(() => objects.touch(key, until), until),
    remove: (key, until) => call(() => objects.remove(key, until), until),
    sweepStaging: (until) => call(() => objects.sweepStaging(until), until),
    async *list(folder, until) {
      yield* await call(() => Array.fromAsync(objects.list(folder, until)), until)
    },
  }
}

/** A storage whose calls fail once something has happened. */
function dieAt(objects: ObjectStore, isDead: () => boolean): ObjectStore {
  const check = () => {
    if (isDead()) throw new Error('dead')
  }
  return {
    ...objects,
    async stat(...call) {
      check()
      return objects.stat(...call)
    },
    async read(...call) {
      check()
      return objects.read(...call)
    },
    async put(...call) {
      check()
      return objects.put(...call)
    },
    async touch(...call) {
      check()
      return objects.touch(...call)
    },
    async remove(...call) {
      check()
      return objects.remove(...call)
    },
    async *list(...call) {
      check()
      yield* objects.list(...call)
    },
  }
}
