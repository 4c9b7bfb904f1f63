import assert from 'node:assert/strict'
import { test } from 'node:test'
import { platformOf } from '#core/nix/system.ts'
import type { Digest } from '#core/oci/digest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { makePaperStorage, type PaperStorage } from '#test/fakes/paper-storage.ts'
import type { Clock } from '../ports/clock.ts'
import { parseManifestEntry, type ManifestEntry } from '../stored-entries.ts'
import { createLayerSharing } from './layer-sharing.ts'
import { viewImage, type ImageSubject } from './view-image.ts'

const signal = new AbortController().signal
const minuteMs = 60_000

/** An instance that serves paper images and shows them; `named` says whose names it tells. */
function start({ paper = makePaperStorage(), named = strictPolicy } = {}) {
  const { storage, nowMs } = paper
  const { tools, image } = paper.start()
  let listings = 0
  const upkeep = {
    entries(...listed: Parameters<typeof storage.upkeep.entries>) {
      listings += 1
      return storage.upkeep.entries(...listed)
    },
  }
  const sharing = createLayerSharing({
    ...tools,
    policy: named,
    upkeep,
    nowMs,
    clock: patientClock,
    onFailure: (error) => assert.fail(String(error)),
  })
  const view = (name: string, subject: Partial<ImageSubject> = {}) =>
    viewImage({ ...tools, sharing }, { name, tag: 'latest', ...subject }, signal)
  async function viewed(name: string) {
    const outcome = await view(name)
    assert.ok(outcome.kind === 'viewed', JSON.stringify(outcome))
    return outcome.view
  }
  /** Of the layer with that store path alone, the other images that have it. */
  async function usersOf(name: string, path: string) {
    const { layers, closure = [] } = await viewed(name)
    const place = closure.findIndex((each) => nameOf(each.path) === path)
    const layer = layers.find(({ paths }) => paths.includes(place))
    assert.ok(layer, `${path} is in a layer of ${name}`)
    return { names: layer.sharedWith, count: layer.sharedCount }
  }
  return { ...paper, tools, image, view, viewed, usersOf, listings: () => listings }
}

/** Lets others have their turn, and never loses patience: machines that run tests are busy. */
const patientClock: Clock = {
  after(delayMs, callback) {
    const timer = delayMs === 0 ? setTimeout(callback) : undefined
    return () => clearTimeout(timer)
  },
}

const nameOf = (path: string) => path.slice(33)

async function entryOf({ storage }: PaperStorage, name: string) {
  for await (const { key } of storage.upkeep.entries('manifests', signal)) {
    const entry = parseManifestEntry(await storage.entries.get('manifests', key, signal))
    if (entry?.about?.name === name) return { key, entry }
  }
  throw new Error(`${name} is not stored`)
}

test('viewImage() shows layers from the bottom, their store paths, and the closure', async () => {
  const { image, viewed } = start()
  const stored = await image('p1')
  const view = await viewed('p1')
  assert.equal(view.digest, stored.manifests[0]?.digest)
  assert.deepEqual(
    view.layers.map(({ digest, sizeBytes }) => ({ digest, size: sizeBytes })),
    stored.blobs.slice(1),
  )
  assert.equal(
    view.sizeBytes,
    stored.blobs.reduce((sum, { size }) => sum + size, 0),
  )
  const { closure = [] } = view
  const held = view.layers.map(({ paths }) =>
    paths.map((place) => nameOf(closure[place]!.path)).join(' '),
  )
  assert.deepEqual(new Set(held), new Set(['common-1', 'libc', 'p1', 'rare-1', '']))
  assert.equal(held.at(-1), '', 'the root file system is on top')
  assert.ok(closure.every(({ narSizeBytes }) => narSizeBytes === 1_000_000))
  assert.deepEqual([view.platforms, view.revision], [[view.platform], 'paper'])
})

test('viewImage() names the other images that have a layer, as another instance knows them too', async () => {
  const { image, ...paper } = start()
  for (const name of ['p8', 'p1', 'p2', 'p1/p2']) await image(name)
  const { usersOf } = start({ paper })
  assert.deepEqual(await usersOf('p1', 'libc'), { names: ['p1/p2', 'p2', 'p8'], count: 3 })
  assert.deepEqual(await usersOf('p1', 'common-1'), { names: ['p1/p2', 'p8'], count: 2 })
  assert.deepEqual(await usersOf('p8', 'p8'), { names: [], count: 0 })
})

test('viewImage() tells nothing of images that nobody may pull, and no more names than 20', async () => {
  const { image, ...paper } = start()
  for (let number = 1; number <= 30; number += 1) await image(`p${number}`)
  const { usersOf } = start({ paper, named: { ...strictPolicy, deny: ['p15', 'p2*'] } })
  assert.deepEqual(await usersOf('p1', 'common-1'), { names: ['p8'], count: 1 })
  const { names, count } = await start({ paper }).usersOf('p1', 'libc')
  assert.deepEqual([names.length, count, names.includes('p1')], [20, 29, false])
})

test('viewImage() counts again when a minute is over, and only when somebody asks', async () => {
  const { image, viewed, usersOf, pass, listings } = start()
  await image('p1')
  assert.equal(listings(), 0)
  assert.deepEqual(await usersOf('p1', 'common-1'), { names: [], count: 0 })
  await image('p8')
  await viewed('p1')
  pass(minuteMs - 1)
  assert.deepEqual(await usersOf('p1', 'common-1'), { names: [], count: 0 })
  assert.equal(listings(), 1)
  pass(1)
  assert.deepEqual(await usersOf('p1', 'common-1'), { names: ['p8'], count: 1 })
  assert.equal(listings(), 2)
})

test('viewImage() shows the image while its storage is still being looked through, or cannot be', async () => {
  const { clock, tools, image } = start()
  await image('p1')
  const failures: unknown[] = []
  const hold = Promise.withResolvers<never>()
  const sharing = createLayerSharing({
    ...tools,
    // A listing that hangs, and then fails.
    upkeep: {
      async *entries() {
        yield await hold.promise
      },
    },
    nowMs: () => 0,
    clock,
    onFailure: (error) => failures.push(error),
  })
  const look = async () => {
    const outcome = viewImage({ ...tools, sharing }, { name: 'p1', tag: 'latest' }, signal)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(2_000)
    const viewed = await outcome
    assert.ok(viewed.kind === 'viewed')
    return [viewed.view.sharing, viewed.view.layers[0]?.sharedCount]
  }
  assert.deepEqual(await look(), ['counting', 0])
  const broken = new Error('the bucket does not answer')
  hold.reject(broken)
  assert.deepEqual(await look(), ['counting', 0])
  assert.deepEqual(failures, [broken])
})

test('viewImage() shows layers without a closure when what was noted is lost, damaged or of no use', async () => {
  const harms: Readonly<Record<string, (noted: Digest, paper: PaperStorage) => Promise<unknown>>> =
    {
      lost: (noted, { storage }) => storage.upkeep.removeBlob(noted, signal),
      damaged: (noted, { objects }) =>
        objects.put(`layers/${noted.slice(7)}`, Buffer.from('{}'), 'application/json', signal),
      'of no use': async (_noted, paper) => {
        const { key, entry } = await entryOf(paper, 'p1')
        await paper.storage.entries.remove('manifests', key, signal)
        const other: ManifestEntry = { ...entry, contents: entry.manifests[0] }
        await paper.storage.entries.putFirst('manifests', key, other, signal)
      },
      'of an older version': async (_noted, paper) => {
        const { key, entry } = await entryOf(paper, 'p1')
        await paper.storage.entries.remove('manifests', key, signal)
        const { contents: _, ...older } = entry
        await paper.storage.entries.putFirst('manifests', key, older, signal)
      },
    }
  for (const [name, harm] of Object.entries(harms)) {
    const { image, viewed, ...paper } = start()
    const stored = await image('p1')
    await harm(stored.contents!.digest, paper)
    const { closure, layers } = await viewed('p1')
    assert.equal(closure, undefined, name)
    assert.deepEqual(
      layers.map(({ digest, paths }) => ({ digest, paths })),
      stored.blobs.slice(1).map(({ digest }) => ({ digest, paths: [] })),
    )
    assert.deepEqual(await image('p1'), { ...(await entryOf(paper, 'p1')).entry }, 'still served')
  }
})

test('viewImage() answers as the registry does for names that it does not serve', async () => {
  const { image, view, tools, storage } = start()
  await image('p1')
  const denying = { ...tools, policy: { ...strictPolicy, deny: ['p1'] } }
  const sharing = { current: async () => undefined, close: () => {} }
  const denied = await viewImage({ ...denying, sharing }, { name: 'p1', tag: 'latest' }, signal)
  assert.equal(denied.kind, 'denied')
  assert.equal((await view('amd64')).kind, 'invalid-name')
  assert.equal((await view('p2')).kind, 'not-stored')
  assert.equal((await view('p1', { platform: 'linux/riscv64' })).kind, 'not-stored')
  const uses = await Array.fromAsync(storage.upkeep.uses(signal))
  await view('p1')
  assert.deepEqual(await Array.fromAsync(storage.upkeep.uses(signal)), uses, 'a look is no use')
})

test('viewImage() shows of several platforms the first that is stored, and none that lacks a layer', async () => {
  const { tools, view, storage, image } = start()
  const both = [platformOf('arm64'), platformOf('amd64')] as const
  const grammar = { ...tools.grammar, platforms: both }
  const sharing = { current: async () => undefined, close: () => {} }
  const stored = await image('p1')
  const subject = { name: 'p1', tag: 'latest' }
  const outcome = await viewImage({ ...tools, grammar, sharing }, subject, signal)
  assert.ok(outcome.kind === 'viewed')
  const { platform, platforms } = outcome.view
  const own = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
  assert.deepEqual([platform, platforms], [own, ['linux/arm64', 'linux/amd64']])

  await storage.upkeep.removeBlob(stored.blobs[1]!.digest, signal)
  assert.equal((await view('p1')).kind, 'not-stored')
})
