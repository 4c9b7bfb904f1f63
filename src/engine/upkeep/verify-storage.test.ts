import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { createMemoryObjects } from '#adapters/storage/memory/memory-objects.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { storageKeys } from '#adapters/storage/storage-layout.ts'
import { contentsDocument } from '#core/assembly/image-contents.ts'
import { assembleImage, type ImageDocument } from '#core/assembly/image-documents.ts'
import { assembleIndex } from '#core/assembly/image-index.ts'
import { platformOf } from '#core/nix/system.ts'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import type { Storage } from '../ports/storage.ts'
import type { StorageFinding } from './storage-findings.ts'
import { describeDocument, type BuildEntry, type ManifestEntry } from '../stored-entries.ts'
import { verifyStorage } from './verify-storage.ts'

const signal = new AbortController().signal
const platform = platformOf('amd64')
const json = 'application/json'

interface Site {
  readonly objects: ObjectStore
  readonly storage: Storage
}

function openSite(objects = createMemoryObjects()): Site {
  return { objects, storage: createStorage(objects) }
}

async function store({ storage }: Site, document: ImageDocument): Promise<void> {
  const upload = await storage.blobs.upload(document.mediaType, signal)
  await upload.write(document.bytes)
  await upload.publish(document.digest)
}

async function storeLayer(site: Site, text: string): Promise<BuildEntry> {
  const bytes = Buffer.from(`\u001f${text.repeat(1000)}`)
  const digest = digestOf(bytes)
  await store(site, { mediaType: mediaTypes.ociLayerGzip, digest, bytes })
  const entry = {
    digest,
    sizeBytes: bytes.length,
    diffId: digestOf(text),
    archiveSizeBytes: bytes.length,
  }
  await site.storage.entries.putFirst('builds', cacheKeyOf(text), entry, signal)
  return entry
}

/** An image of layers, as `buildImage` stores it. */
async function storeImage(site: Site, name: string, layers: readonly BuildEntry[]) {
  const { entries } = site.storage
  const assembled = assembleImage(
    platform,
    layers.map((layer) => ({ ...layer, createdBy: name })),
    { env: [name] },
    'gzip',
  )
  const { config, ociManifest, dockerManifest } = assembled
  const contents = contentsDocument({
    closure: [],
    layers: layers.map(({ digest }) => ({ digest, paths: [] })),
  })
  for (const document of [config, ociManifest, dockerManifest, contents])
    await store(site, document)
  const entry: ManifestEntry = {
    manifests: [ociManifest, dockerManifest].map(describeDocument),
    blobs: [
      { digest: config.digest, size: config.bytes.length },
      ...layers.map(({ digest, sizeBytes }) => ({ digest, size: sizeBytes })),
    ],
    contents: { digest: contents.digest, size: contents.bytes.length },
  }
  await entries.putFirst('manifests', cacheKeyOf(name), entry, signal)
  return { ...assembled, entry, key: cacheKeyOf(name) }
}

type StoredImage = Awaited<ReturnType<typeof storeImage>>

/** An index of one image, as `servePlatforms` stores it. */
async function storeIndex(site: Site, name: string, image: StoredImage) {
  const [oci, docker] = image.entry.manifests
  const { ociIndex, dockerList } = assembleIndex([{ platform, oci: oci!, docker: docker! }])
  for (const document of [ociIndex, dockerList]) await store(site, document)
  const entry: ManifestEntry = {
    manifests: [ociIndex, dockerList].map(describeDocument),
    blobs: [...image.entry.manifests, ...image.entry.blobs].map(({ digest, size }) => ({
      digest,
      size,
    })),
  }
  await site.storage.entries.putFirst('manifests', cacheKeyOf(name), entry, signal)
  return { ociIndex, dockerList, entry, key: cacheKeyOf(name) }
}

/** Two images that share a layer, and an index of one of them. */
async function fillSite(site = openSite()) {
  const shared = await storeLayer(site, 'shared')
  const own = await storeLayer(site, 'own')
  const image = await storeImage(site, 'image', [shared, own])
  const other = await storeImage(site, 'other', [shared])
  const index = await storeIndex(site, 'index', image)
  return { ...site, shared, own, image, other, index }
}

type FilledSite = Awaited<ReturnType<typeof fillSite>>

async function verify({ storage }: Site, repairAs?: string) {
  const observed: StorageFinding[] = []
  const read: number[] = []
  const report = await verifyStorage(
    storage,
    {
      ...(repairAs !== undefined && { repairAs }),
      observe: (event) =>
        event.kind === 'found' ? observed.push(event.finding) : read.push(event.doneBytes),
    },
    signal,
  )
  assert.deepEqual(observed, report.findings)
  return { ...report, read }
}

async function harm({ objects }: Site, digest: Digest, change: (bytes: Buffer) => Uint8Array) {
  const key = storageKeys.blob(digest)
  const bytes = (await objects.read(key, 1e9, signal))!
  await objects.put(key, change(Buffer.from(bytes)), json, signal)
}

/** The keys without which an image is not whole. */
function neededBy({ entry, key }: Pick<StoredImage, 'entry' | 'key'>): readonly string[] {
  const blobs = [...entry.manifests, ...entry.blobs].map(({ digest }) => storageKeys.blob(digest))
  return [storageKeys.entry('manifests', key), ...blobs]
}

async function harmObject({ objects }: Site, key: string, kind: string): Promise<void> {
  const bytes = Buffer.from((await objects.read(key, 1e9, signal))!)
  const put = (changed: Uint8Array) => objects.put(key, changed, json, signal)
  if (kind === 'remove') await objects.remove(key, signal)
  if (kind === 'flip') await put(flipByte(bytes))
  if (kind === 'cut') await put(bytes.subarray(0, bytes.length >> 1))
}

const flipByte = (bytes: Buffer) => {
  bytes[bytes.length >> 1]! ^= 1
  return bytes
}

async function keysOf({ objects }: Site): Promise<readonly string[]> {
  const folders = ['layers', 'builds', 'manifests', 'quarantine', 'notices', 'uses']
  const listed = await Promise.all(
    folders.map((folder) => Array.fromAsync(objects.list(folder, signal))),
  )
  return listed.flat().map(({ key }) => key)
}

interface Damage {
  readonly name: string
  readonly harm: (site: FilledSite) => Promise<unknown>
  /** Kinds with the number of findings of each. */
  readonly finds: Readonly<Partial<Record<StorageFinding['kind'], number>>>
}

const damages: readonly Damage[] = [
  {
    name: 'a layer cut in half',
    harm: (site) => harm(site, site.own.digest, (bytes) => bytes.subarray(0, bytes.length >> 1)),
    finds: { 'truncated-blob': 1 },
  },
  {
    name: 'an empty layer',
    harm: (site) => harm(site, site.own.digest, () => Buffer.alloc(0)),
    finds: { 'truncated-blob': 1 },
  },
  {
    name: 'a layer with something behind it',
    harm: (site) => harm(site, site.own.digest, (bytes) => Buffer.concat([bytes, bytes])),
    finds: { 'corrupt-blob': 1 },
  },
  {
    name: 'a flipped byte in a layer',
    harm: (site) => harm(site, site.shared.digest, flipByte),
    finds: { 'corrupt-blob': 1 },
  },
  {
    name: 'a flipped byte in a config',
    harm: (site) => harm(site, site.image.config.digest, flipByte),
    finds: { 'corrupt-blob': 1 },
  },
  {
    name: 'a flipped byte in a manifest',
    harm: (site) => harm(site, site.image.ociManifest.digest, flipByte),
    finds: { 'corrupt-blob': 1 },
  },
  {
    name: 'a truncated index',
    harm: (site) => harm(site, site.index.ociIndex.digest, (bytes) => bytes.subarray(1)),
    finds: { 'truncated-blob': 1 },
  },
  {
    name: 'a flipped byte in noted contents',
    harm: (site) => harm(site, site.other.entry.contents!.digest, flipByte),
    finds: { 'corrupt-blob': 1 },
  },
  {
    name: 'truncated contents',
    harm: (site) => harm(site, site.other.entry.contents!.digest, (bytes) => bytes.subarray(1)),
    finds: { 'truncated-blob': 1 },
  },
  {
    name: 'a missing layer',
    harm: ({ storage, own }) => storage.upkeep.removeBlob(own.digest, signal),
    // The image's and the index's.
    finds: { 'missing-blob': 1, 'dangling-build': 1, 'dangling-manifest': 2 },
  },
  {
    name: 'a missing config',
    harm: ({ storage, other }) => storage.upkeep.removeBlob(other.config.digest, signal),
    finds: { 'missing-blob': 1, 'dangling-manifest': 1 },
  },
  {
    name: 'an entry whose manifest is missing',
    harm: ({ storage, other }) => storage.upkeep.removeBlob(other.ociManifest.digest, signal),
    finds: { 'missing-blob': 1, 'dangling-manifest': 1 },
  },
  {
    name: 'manifests that no entry names, of a missing layer',
    async harm({ storage, own, image, index }) {
      await storage.entries.remove('manifests', image.key, signal)
      await storage.entries.remove('manifests', index.key, signal)
      await storage.entries.remove('builds', cacheKeyOf('own'), signal)
      await storage.upkeep.removeBlob(own.digest, signal)
    },
    // Two manifests and two indexes.
    finds: { 'missing-blob': 1, 'dangling-manifest': 4 },
  },
  {
    name: 'an entry that leads to a config instead of a manifest',
    async harm({ storage, other }) {
      const entry = { ...other.entry, manifests: [describeDocument(other.config)] }
      await storage.entries.remove('manifests', other.key, signal)
      await storage.entries.putFirst('manifests', other.key, entry, signal)
    },
    finds: { 'dangling-manifest': 1 },
  },
  {
    name: 'an entry that gives a layer another size',
    async harm({ storage, own }) {
      const key = cacheKeyOf('own')
      await storage.entries.remove('builds', key, signal)
      await storage.entries.putFirst('builds', key, { ...own, sizeBytes: 1 }, signal)
    },
    finds: { 'dangling-build': 1 },
  },
  {
    name: 'entries that are none',
    async harm({ objects, image }) {
      const put = (key: string, text: string) => objects.put(key, Buffer.from(text), json, signal)
      await put(storageKeys.entry('builds', cacheKeyOf('x')), '{"a":1}')
      await put(storageKeys.entry('manifests', image.key), '{"manif')
    },
    finds: { 'unreadable-entry': 2 },
  },
  {
    name: 'two kinds of damage at once',
    async harm(site) {
      await harm(site, site.own.digest, flipByte)
      await site.storage.upkeep.removeBlob(site.other.config.digest, signal)
    },
    finds: { 'corrupt-blob': 1, 'missing-blob': 1, 'dangling-manifest': 1 },
  },
]

suite('verifyStorage()', () => {
  test('reads everything, and finds nothing wrong with what builds store', async () => {
    const site = await fillSite()
    const report = await verify(site)
    assert.deepEqual(report.findings, [])
    assert.deepEqual([report.blobs, report.builds, report.manifests], [12, 2, 3])
    assert.equal(report.read.at(-1), report.sizeBytes)
    assert.deepEqual((await verify(openSite())).findings, [])
  })

  for (const { name, harm, finds } of damages) {
    test(`finds ${name}, and changes nothing`, async () => {
      const site = await fillSite()
      await harm(site)
      const before = await keysOf(site)
      const { findings, ...report } = await verify(site)
      assert.deepEqual(countKinds(findings), finds)
      assert.deepEqual(await keysOf(site), before)
      assert.deepEqual([report.quarantined, report.isRepaired], [0, false])
    })

    test(`mends ${name}`, async () => {
      const site = await fillSite()
      await harm(site)
      const looked = await verify(site)
      const repaired = await verify(site, 'verify-1')
      assert.deepEqual(countKinds(repaired.findings), finds)
      const { quarantined, damaged, isRepaired } = repaired
      assert.ok(isRepaired)
      assert.ok(quarantined + damaged.images + damaged.builds + damaged.manifests > 0)
      assert.deepEqual(damaged, looked.damaged)
      assert.deepEqual((await verify(site)).findings, [], 'a second run finds nothing')
      const keys = await keysOf(site)
      assert.ok(!keys.some((key) => key.startsWith('notices/')), 'no notice stays')
    })
  }

  test('mends whatever is damaged so that a second run finds nothing, and loses no sound image', async () => {
    const kinds = fc.constantFrom('remove', 'flip', 'cut', 'none', 'none', 'none')
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { minLength: 17, maxLength: 17 }), async (harms) => {
        const site = await fillSite()
        const folders = ['layers', 'builds', 'manifests']
        const keys = (await keysOf(site)).filter((key) => folders.includes(key.split('/')[0]!))
        const damaged = new Set(keys.filter((_, index) => harms[index] !== 'none'))
        for (const [index, key] of keys.entries()) await harmObject(site, key, harms[index]!)

        await verify(site, 'verify-1')
        assert.deepEqual((await verify(site)).findings, [])
        for (const image of [site.image, site.other, site.index]) {
          const needed = neededBy(image)
          const stored = await site.storage.entries.get('manifests', image.key, signal)
          if (needed.some((key) => damaged.has(key))) continue
          assert.deepEqual(stored, image.entry)
          const left = new Set(await keysOf(site))
          for (const key of needed) assert.ok(left.has(key), key)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('keeps images whose contents are damaged or lost, which nobody needs to serve them', async () => {
    const site = await fillSite()
    await harm(site, site.other.entry.contents!.digest, flipByte)
    await site.storage.upkeep.removeBlob(site.image.entry.contents!.digest, signal)
    const { findings, damaged, quarantined } = await verify(site, 'verify-1')
    assert.deepEqual(countKinds(findings), { 'corrupt-blob': 1 })
    assert.deepEqual([damaged.images, quarantined], [0, 1])
    for (const { key, entry } of [site.other, site.image])
      assert.deepEqual(await site.storage.entries.get('manifests', key, signal), entry)
  })

  test('keeps what a sound image shares with a damaged one', async () => {
    const site = await fillSite()
    await site.storage.upkeep.removeBlob(site.own.digest, signal)
    await verify(site, 'verify-1')
    const { entries, blobs } = site.storage
    assert.deepEqual(await entries.get('manifests', site.other.key, signal), site.other.entry)
    for (const { digest } of [...site.other.entry.manifests, ...site.other.entry.blobs])
      assert.ok(await blobs.stat(digest, signal), digest)
    for (const document of [site.image.ociManifest, site.index.ociIndex])
      assert.equal(await blobs.stat(document.digest, signal), undefined)
    assert.equal(await entries.get('manifests', site.image.key, signal), undefined)
  })

  test('says how many images a damaged blob takes along, and what they are', async () => {
    const about = { name: 'p1', platform: 'linux/amd64', revision: 'r1' }
    const site = await fillSite()
    const { storage, shared, own, image } = site
    await storage.entries.remove('manifests', image.key, signal)
    const named = { ...image.entry, about }
    await storage.entries.putFirst('manifests', image.key, named, signal)
    await harm(site, shared.digest, flipByte)
    const { findings, damaged } = await verify(site)
    assert.deepEqual(findings, [
      { kind: 'corrupt-blob', digest: shared.digest, sizeBytes: shared.sizeBytes, images: 3 },
    ])
    assert.deepEqual(damaged, { images: 3, builds: 1, manifests: 0 })

    await storage.upkeep.removeBlob(own.digest, signal)
    const found = (await verify(site)).findings
    const missing = found.find(({ kind }) => kind === 'missing-blob')
    assert.deepEqual(missing, { kind: 'missing-blob', digest: own.digest, images: 2 })
    const names = found.flatMap((it) => (it.kind === 'dangling-manifest' ? [it.about] : []))
    assert.deepEqual(new Set(names), new Set([about, undefined]))

    await storage.entries.remove('manifests', image.key, signal)
    await storage.entries.remove('manifests', site.index.key, signal)
    const unnamed = await verify(site)
    assert.deepEqual(unnamed.damaged, { images: 1, builds: 2, manifests: 4 })
  })

  test('notes what somebody else has put there', async () => {
    const site = await fillSite()
    for (const key of ['layers/notes.txt', 'manifests/README'])
      await site.objects.put(key, Buffer.from('x'), 'text/plain', signal)
    const report = await verify(site, 'verify-1')
    assert.deepEqual(report.findings, [])
    assert.deepEqual(report.foreignKeys.toSorted(), ['layers/notes.txt', 'manifests/README'])
    assert.ok((await keysOf(site)).includes('layers/notes.txt'))
  })

  test('posts a notice before it looks again, and withdraws it when it is broken off', async () => {
    const objects = createMemoryObjects()
    const site = await fillSite(openSite(objects))
    await harm(site, site.own.digest, flipByte)
    const steps: string[] = []
    const failing = createStorage({
      ...objects,
      put(key, ...rest) {
        steps.push(key)
        return objects.put(key, ...rest)
      },
      async move(from) {
        steps.push(from)
        throw new Error('the network is gone')
      },
    })
    await assert.rejects(verify({ objects, storage: failing }, 'verify-1'), /the network is gone/)
    assert.deepEqual(steps, ['notices/verify-1', storageKeys.blob(site.own.digest)])
    assert.equal((await site.storage.upkeep.notices(signal)).size, 0)
  })

  test('withdraws a notice of which it did not hear that it was posted', async () => {
    const objects = createMemoryObjects()
    const site = await fillSite(openSite(objects))
    await harm(site, site.own.digest, flipByte)
    const interrupted = createStorage({
      ...objects,
      async put(...call) {
        await objects.put(...call)
        throw new Error('interrupted')
      },
    })
    await assert.rejects(verify({ objects, storage: interrupted }, 'verify-1'), /interrupted/)
    assert.equal((await site.storage.upkeep.notices(signal)).size, 0)
  })

  test('reports no blob that is sound, or gone with its images, when it looks again', async () => {
    const objects = createMemoryObjects()
    const site = await fillSite(openSite(objects))
    const { own, shared, image, index, storage } = site
    const [flipped, gone] = [storageKeys.blob(shared.digest), storageKeys.blob(own.digest)]
    let wasFlipped = false
    const racing = createStorage({
      ...objects,
      async open(key, range, signal) {
        if (key === gone) {
          // As a collector does: entries, documents, then blobs.
          await storage.entries.remove('manifests', index.key, signal)
          await storage.entries.remove('manifests', image.key, signal)
          for (const each of [image.ociManifest, image.dockerManifest, index.ociIndex])
            await storage.upkeep.removeBlob(each.digest, signal)
          await storage.upkeep.removeBlob(index.dockerList.digest, signal)
          await storage.entries.remove('builds', cacheKeyOf('own'), signal)
          await storage.upkeep.removeBlob(own.digest, signal)
        }
        const stream = await objects.open(key, range, signal)
        if (key !== flipped || wasFlipped) return stream
        wasFlipped = true
        return streamOf('other bytes')
      },
    })
    assert.deepEqual((await verify({ objects, storage: racing }, 'verify-1')).findings, [])
    assert.ok(wasFlipped)
    assert.ok(await storage.blobs.stat(shared.digest, signal))
  })

  test('takes no blob for damaged that it could not read', async () => {
    const objects = createMemoryObjects()
    const site = await fillSite(openSite(objects))
    const broken = createStorage({
      ...objects,
      open: async () => streamOf('half', new Error('connection reset')),
    })
    const before = await keysOf(site)
    await assert.rejects(verify({ objects, storage: broken }, 'verify-1'), {
      code: 'STORAGE_FAILED',
      message: /^cannot read sha256:/,
    })
    assert.deepEqual(await keysOf(site), before)
  })

  test('ends when it is told to', async () => {
    const { storage } = await fillSite()
    const ended = AbortSignal.abort(new Error('enough'))
    await assert.rejects(verifyStorage(storage, { observe: () => {} }, ended), /enough/)
  })
})

function streamOf(text: string, failure?: Error): Readable {
  return Readable.from(
    (function* () {
      yield Buffer.from(text)
      if (failure !== undefined) throw failure
    })(),
  )
}

function countKinds(findings: readonly StorageFinding[]) {
  const counted: Partial<Record<StorageFinding['kind'], number>> = {}
  for (const { kind } of findings) counted[kind] = (counted[kind] ?? 0) + 1
  return counted
}
