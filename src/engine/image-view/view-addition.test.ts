import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storePathName } from '#core/nix/store-path.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { paperNix } from '#test/fakes/paper-images.ts'
import { makePaperStorage } from '#test/fakes/paper-storage.ts'
import { serveManifest } from '../serve-manifest.ts'
import { createTurns } from './run-in-turn.ts'
import { viewAddition, type AdditionTools } from './view-addition.ts'

const signal = new AbortController().signal

/** An instance that serves paper images; `present` says which packages this machine has. */
function start(present: readonly string[] = []) {
  const paper = makePaperStorage()
  const { tools, image } = paper.start()
  const evaluated: string[] = []
  const held: string[] = []
  const nix: AdditionTools['nix'] = {
    ...paperNix,
    evaluate(request, until) {
      evaluated.push(request.packages.join(' '))
      return paperNix.evaluate(request, until)
    },
    lease: async () => {
      held.push('held')
      return { directory: '/paper', release: async () => void held.pop() }
    },
    holdPresent: async (packages) =>
      packages.every(({ derivation }) => present.includes(storePathName(derivation))),
  }
  const adding = { ...tools, nix, clock: paper.clock, inTurn: createTurns(4) }
  const add = (name: string, more: string, changed: Partial<AdditionTools> = {}) =>
    viewAddition({ ...adding, ...changed }, { name, tag: 'latest', add: more }, signal)
  async function added(name: string, more: string) {
    const outcome = await add(name, more)
    assert.ok(outcome.kind === 'viewed', JSON.stringify(outcome))
    const { added: paths, ...view } = outcome.view
    return { ...view, added: paths?.map(({ path }) => path.slice(33)).toSorted() }
  }
  return { ...paper, tools: adding, image, add, added, evaluated, held }
}

const grown = {
  name: 'p1/p8',
  status: 'known',
  added: ['p8', 'rare-8'],
  // libc, common-1, rare-1 and p1 stay; p8, rare-8 and the root file system are new.
  keptLayers: 4,
  newLayers: 3,
}

test('viewAddition() compares with what was noted when the grown image is stored', async () => {
  const { image, added, evaluated } = start()
  await image('p1')
  await image('p1/p8')
  assert.deepEqual(await added('p1', 'p8'), grown)
  assert.deepEqual(evaluated, [])
})

test('viewAddition() plans the grown image when its packages are on this machine', async () => {
  const { image, added, evaluated, held } = start(['p1', 'p8'])
  const stored = await image('p1')
  assert.deepEqual(await added('p1', 'p8'), grown)
  assert.deepEqual([evaluated, held], [['p1 p8'], []])
  const built = await image('p1/p8')
  const own = new Set(stored.blobs.slice(1).map(({ digest }) => digest))
  const layers = built.blobs.slice(1)
  const kept = layers.filter(({ digest }) => own.has(digest)).length
  // On paper all root file systems are empty.
  assert.deepEqual([kept - 1, layers.length - kept + 1], [grown.keptLayers, grown.newLayers])
})

test('viewAddition() knows nothing when a package would have to be made first', async () => {
  const { image, added, held } = start(['p1'])
  await image('p1')
  const unknown = { name: 'p1/p8', status: 'unknown', added: undefined }
  assert.deepEqual(await added('p1', 'p8'), unknown)
  assert.deepEqual(held, [])
})

test('viewAddition() plans both images when nothing was noted of the first', async () => {
  const { image, added, evaluated, storage } = start(['p1', 'p8'])
  const { contents } = await image('p1')
  await storage.upkeep.removeBlob(contents!.digest, signal)
  assert.deepEqual(await added('p1', 'p8'), grown)
  assert.deepEqual(evaluated, ['p1', 'p1 p8'])
})

test('viewAddition() of what is there already changes nothing', async () => {
  const { image, added } = start()
  await image('p1')
  const same = { name: 'p1/p1', status: 'known', added: [], keptLayers: 5, newLayers: 0 }
  assert.deepEqual(await added('p1', 'p1'), same)
})

test('viewAddition() refuses what a pull would refuse, and images that are not stored', async () => {
  const { add, image } = start(['p1', 'p8'])
  assert.equal((await add('p1', 'p8')).kind, 'not-stored')
  await image('p1')
  assert.equal((await add('p1', 'x'.repeat(255))).kind, 'invalid-name')
  const failed = await add('p1', 'p8', {
    nix: {
      ...start(['p1', 'p8']).tools.nix,
      evaluate: async () => [{ kind: 'not-found', package: 'p8', nearNames: [] }],
    },
  })
  assert.equal(failed.kind === 'failed' && failed.failure.kind, 'packages')
  const specs = {
    find: async (name: string) =>
      name === 'p1' ? { packages: ['p1'], source: '', options: {} } : undefined,
  }
  const ofSpec = await add('p1', 'p8', { specs })
  assert.match(ofSpec.kind === 'invalid-name' ? ofSpec.message : '', /described by the operator/)
  const policy = { ...strictPolicy, deny: ['p8'] }
  assert.equal((await add('p1', 'p8', { policy })).kind, 'denied')
})

test('viewAddition() refuses a closure that is larger than the operator serves', async () => {
  const { tools, add } = start(['p1', 'p8'])
  const policy = { ...strictPolicy, maxClosureBytes: 5_000_000 }
  const pull = { name: 'p1', tag: 'latest', acceptsIndex: true }
  assert.equal((await serveManifest({ ...tools, policy }, pull, signal)).kind, 'image')
  const outcome = await add('p1', 'p8', { policy })
  assert.equal(outcome.kind === 'failed' && outcome.failure.kind, 'closure-too-large')
})

test('viewAddition() gives up after 20 seconds, and takes few at a time', async () => {
  const { add, image, clock, tools } = start(['p1', 'p8'])
  await image('p1')
  const nix: AdditionTools['nix'] = {
    ...tools.nix,
    evaluate: (_request, until) =>
      new Promise((_resolve, reject) =>
        until.addEventListener('abort', () => reject(until.reason as Error)),
      ),
  }
  const waiting = Array.from({ length: 5 }, () => add('p1', 'p8', { nix }))
  await settle()
  await assert.rejects(add('p1', 'p8', { nix }), { code: 'OVERLOADED' })
  clock.advance(20_000)
  for (const outcome of await Promise.all(waiting))
    assert.deepEqual(outcome, { kind: 'viewed', view: { name: 'p1/p8', status: 'unknown' } })
  const again = await add('p1', 'p8')
  assert.ok(again.kind === 'viewed' && again.view.status === 'known', 'the queue is empty again')
})

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
