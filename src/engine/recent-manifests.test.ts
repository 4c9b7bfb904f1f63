import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Popularity } from '#core/layers/popularity.ts'
import type { Digest } from '#core/oci/digest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { makePaperStorage } from '#test/fakes/paper-storage.ts'
import type { ImageSpecs } from './ports/image-specs.ts'
import { findSource, type PinnedSource } from './ports/package-source.ts'
import { readStoredManifest, recallStoredManifest } from './read-stored-manifest.ts'
import { createRecentManifests } from './recent-manifests.ts'
import { recallManifest, refuseName, serveManifest, type ManifestTools } from './serve-manifest.ts'

const { signal } = new AbortController()
const noSpecs: ImageSpecs = { isEmpty: true, find: async () => undefined }

/** An instance that remembers what it served, over a storage in memory. */
function start(changes: Partial<ManifestTools> = {}) {
  const paper = makePaperStorage()
  const { tools } = paper.start()
  const { watch } = paper.storage
  assert.ok(watch)
  const world = { pinned: undefined as PinnedSource | undefined, popularity: tools.popularity() }
  const source = findSource(tools.sources, '')
  const pin = async (tag: string) => {
    const outcome = await source.pin(tag, signal)
    assert.ok(outcome.kind === 'pinned')
    world.pinned ??= outcome.pinned
    return { kind: 'pinned', pinned: world.pinned } as const
  }
  const recall = () => world.pinned && ({ kind: 'pinned', pinned: world.pinned } as const)
  const remembering: ManifestTools = {
    ...tools,
    specs: noSpecs,
    sources: new Map([['', { ...source, pin, recall }]]),
    popularity: () => world.popularity,
    recent: createRecentManifests({ watch, claims: tools.claims, nowMs: paper.nowMs }),
    ...changes,
  }
  const request = (name: string, acceptsIndex = true) => ({ name, tag: 'latest', acceptsIndex })
  return {
    ...paper,
    world,
    tools: remembering,
    serve: (name: string) => serveManifest(remembering, request(name), signal),
    recall: (name: string, acceptsIndex = true) =>
      recallManifest(remembering, request(name, acceptsIndex)),
    readDigest: (digest: Digest) => readStoredManifest(remembering, digest, signal),
    recallDigest: (name: string, digest: Digest) => recallStoredManifest(remembering, name, digest),
  }
}

/** An image that was built, and found in the cache since. */
async function serveTwice({ serve }: Pick<ReturnType<typeof start>, 'serve'>) {
  await serve('p1')
  const outcome = await serve('p1')
  assert.ok(outcome.kind === 'image' && outcome.cached)
  return outcome
}

test('recallManifest() gives what the cache had a moment ago, and nothing else', async () => {
  const started = start()
  const { recall, serve } = started
  assert.equal(recall('p1'), undefined)
  await serve('p1')
  assert.equal(recall('p1'), undefined, 'what was just built is looked for once more')
  const served = await serveTwice(started)
  assert.equal(recall('p1'), served)
  assert.equal(await serve('p1'), served)
  assert.equal(recall('p2'), undefined)
})

for (const [what, happen] of [
  ['a blob is removed', ({ storage }, blob) => storage.upkeep.removeBlob(blob, signal)],
  ['a blob is moved away', ({ storage }, blob) => storage.upkeep.quarantineBlob(blob, signal)],
  ['a minute is over', ({ pass }) => pass(60_000)],
  [
    'the source has moved',
    ({ world }) => {
      world.pinned = { ...world.pinned!, identity: 'set-2' }
    },
  ],
  [
    'its origin is away',
    ({ world }) => {
      world.pinned = { ...world.pinned!, staleSinceMs: 1 }
    },
  ],
  [
    'the popularity is another one',
    ({ world }) => {
      const popularity: Popularity = { kind: 'snapshot', version: '1', ratings: new Map() }
      world.popularity = popularity
    },
  ],
] satisfies ReadonlyArray<
  [string, (started: ReturnType<typeof start>, blob: Digest) => Promise<unknown> | void]
>)
  test(`recallManifest() gives nothing when ${what}`, async () => {
    const started = start()
    const { image } = await serveTwice(started)
    assert.ok(started.recall('p1'))
    await happen(started, image.blobs.at(-1)!.digest)
    assert.equal(started.recall('p1'), undefined)
  })

test('recallManifest() knows nothing of names that specs or the policy decide', async () => {
  const spec = { packages: ['p1'], source: '', options: {} }
  const withSpecs = start({ specs: { find: async () => spec } })
  await serveTwice(withSpecs)
  assert.equal(withSpecs.recall('p1'), undefined)
  const denying = start({ policy: { ...strictPolicy, deny: ['p*'] } })
  assert.equal((await denying.serve('p1')).kind, 'denied')
  assert.equal(denying.recall('p1'), undefined)
})

test('recallStoredManifest() gives what was read by digest, under names that are served', async () => {
  const started = start()
  const { tools, recallDigest, readDigest, storage } = started
  const { image } = await serveTwice(started)
  const { digest } = image.manifests[0]!
  assert.equal(recallDigest('p1', digest), undefined)
  const bytes = await readDigest(digest)
  assert.ok(bytes)
  assert.equal(recallDigest('p1', digest), bytes)
  assert.equal(recallDigest('mirror/p1', digest), undefined)
  assert.equal(await refuseName(tools, 'mirror/p1'), undefined)
  assert.equal(recallDigest('mirror/p1', digest), bytes)
  await storage.upkeep.removeBlob(image.blobs[0]!.digest, signal)
  assert.equal(recallDigest('p1', digest), undefined)
  assert.equal(await readDigest(digest), undefined)
})

test('recallStoredManifest() gives nothing where a spec may have come', async () => {
  const packages = new Map([['spec', ['p1']]])
  const find = async (name: string) => {
    const wanted = packages.get(name)
    return wanted && { packages: wanted, source: '', options: {} }
  }
  const started = start({ specs: { find }, policy: { ...strictPolicy, deny: ['p9'] } })
  const { tools, recallDigest, readDigest } = started
  const { image } = await serveTwice(started)
  const { digest } = image.manifests[0]!
  const bytes = await readDigest(digest)
  assert.ok(bytes)
  packages.set('p1', ['p9'])
  assert.equal(recallDigest('p1', digest), undefined)
  assert.equal((await refuseName(tools, 'p1'))?.kind, 'denied')
  assert.equal(await readDigest(digest), bytes, 'whoever is let through is answered from memory')
})
