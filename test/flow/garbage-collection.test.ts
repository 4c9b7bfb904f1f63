import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { platformOf } from '#core/nix/system.ts'
import type { Digest } from '#core/oci/digest.ts'
import { collectGarbage } from '#engine/upkeep/collect-garbage.ts'
import { readStoredManifest } from '#engine/read-stored-manifest.ts'
import { serveManifest, type ManifestTools } from '#engine/serve-manifest.ts'
import { parseManifestEntry } from '#engine/stored-entries.ts'
import { findLost, makePaperStorage, type PaperStorage } from '#test/fakes/paper-storage.ts'
import { stepObjects } from '#test/fakes/stepped-objects.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
const graceMs = 60 * minuteMs
const platforms = [platformOf('amd64'), platformOf('arm64')] as const

/** What was there, and what is asked for while a collector removes all of it. */
interface Scenario {
  readonly name: string
  /** Takes few calls, so that more mixtures can be tried. */
  readonly isShort?: boolean
  prepare(paper: PaperStorage): Promise<Digest | undefined>
  /** Gives the manifests that a client was told of. */
  pull(tools: ManifestTools, known: Digest | undefined): Promise<readonly Digest[]>
}

const scenarios: readonly Scenario[] = [
  {
    name: 'a pull by tag',
    prepare: ({ start }) => prepareImage(start().tools),
    pull: (tools) => pullTag(tools, 'p1'),
  },
  {
    name: 'a pull by digest',
    isShort: true,
    prepare: ({ start }) => prepareImage(start().tools),
    pull: pullDigest,
  },
  {
    name: 'a pull by digest of an image that has lost its entry',
    async prepare(paper) {
      const digest = await prepareImage(paper.start().tools)
      const { upkeep, entries } = paper.storage
      for await (const { key } of upkeep.entries('manifests', signal))
        await entries.remove('manifests', key, signal)
      return digest
    },
    pull: pullDigest,
  },
  {
    name: 'a build that uses the layers of another image',
    prepare: ({ start }) => prepareImage(start().tools),
    pull: (tools) => pullTag(tools, 'p31'),
  },
  {
    name: 'a build of a source that may change',
    prepare: ({ start }) => prepareImage(changeable(start().tools)),
    pull: (tools) => pullTag(changeable(tools), 'p1'),
  },
  {
    name: 'a pull of an index',
    prepare: ({ start }) => prepareImage(onTwoPlatforms(start().tools)),
    pull: (tools) => pullTag(onTwoPlatforms(tools), 'p1'),
  },
  {
    name: 'a pull of an index by digest',
    prepare: ({ start }) => prepareImage(onTwoPlatforms(start().tools)),
    pull: pullDigest,
  },
]

for (const scenario of scenarios) {
  test(`a collection beside ${scenario.name} breaks nothing, however their calls are mixed`, async () => {
    // Both ways round: one is stopped in its midst while the other goes a part of its way or all of it.
    let tried = 0
    for (const first of ['collector', 'puller'] as const) {
      const isShort = first === 'puller' && scenario.isShort === true
      for (let stop = 0, isReached = true; isReached; stop += 1) {
        for (const meanwhile of partsOfTheWay(isShort, stop)) {
          isReached = await checkMixture(scenario, first, stop, meanwhile)
          tried += 1
        }
      }
    }
    assert.ok(tried > 50, `${tried} mixtures`)
  })
}

/** How many calls the other one makes meanwhile: all that it can, or a part of some fifty. */
function partsOfTheWay(isShort: boolean, stop: number): readonly number[] {
  if (isShort) return [Number.POSITIVE_INFINITY, ...Array.from({ length: 50 }, (_, calls) => calls)]
  return stop % 3 === 0
    ? [Number.POSITIVE_INFINITY, (stop * 7 + 3) % 50]
    : [Number.POSITIVE_INFINITY]
}

/** False when `first` has ended before it made so many calls. */
async function checkMixture(
  scenario: Scenario,
  first: 'collector' | 'puller',
  stop: number,
  meanwhile: number,
): Promise<boolean> {
  const mixture = `${first} stopped after ${stop} calls for ${meanwhile}`
  const paper = makePaperStorage()
  const known = await scenario.prepare(paper)
  paper.pass(3 * graceMs)

  const collecting = stepObjects(paper.objects)
  const pulling = stepObjects(paper.objects)
  const collector = collect(paper, createStorage(collecting.objects))
  const puller = scenario.pull(paper.start(createStorage(pulling.objects)).tools, known)
  const ended = Promise.all([collector, puller])
  const isEnded = isSettled(ended)

  const [one, other] = first === 'collector' ? [collecting, pulling] : [pulling, collecting]
  let made = 0
  while (made < stop && (await one.step())) made += 1
  for (let calls = 0; calls < meanwhile && (await other.step()); calls += 1);
  // Whoever waits for a notice to go polls.
  while (!isEnded()) if (!(await one.step()) && !(await other.step())) paper.pass(250)

  const [, told] = await ended
  const check = async (when: string) => {
    for (const digest of told)
      assert.deepEqual(await findLost(paper.storage, digest), [], `${mixture}: ${when}`)
    assert.deepEqual(await findDangling(paper), [], `${mixture}: ${when}`)
  }
  await check('afterwards')
  paper.pass(graceMs - minuteMs)
  await collect(paper, paper.storage)
  await check('after another collection within the grace')
  return made === stop
}

function isSettled(promise: Promise<unknown>): () => boolean {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  return () => settled
}

function collect(
  paper: PaperStorage,
  storage: Pick<PaperStorage['storage'], 'blobs' | 'entries' | 'upkeep'>,
) {
  return collectGarbage(
    storage,
    { graceMs, mostBytes: 0 },
    { dryRun: false, collector: 'test', observe: () => {}, nowMs: paper.nowMs },
    signal,
  )
}

async function prepareImage(tools: ManifestTools): Promise<Digest | undefined> {
  return (await pullTag(tools, 'p1'))[0]
}

async function pullTag(tools: ManifestTools, name: string): Promise<readonly Digest[]> {
  const outcome = await serveManifest(tools, { name, tag: 'latest', acceptsIndex: true }, signal)
  assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
  return outcome.image.manifests.map(({ digest }) => digest)
}

async function pullDigest(
  tools: ManifestTools,
  digest: Digest | undefined,
): Promise<readonly Digest[]> {
  assert.ok(digest)
  return (await readStoredManifest(tools, digest, signal)) === undefined ? [] : [digest]
}

function onTwoPlatforms(tools: ManifestTools): ManifestTools {
  return { ...tools, grammar: { ...tools.grammar, platforms } }
}

/** Its images have no entries. */
function changeable(tools: ManifestTools): ManifestTools {
  const pinned = { source: '', revision: 'now', identity: 'now', fixed: false }
  const source = tools.sources.get('')
  assert.ok(source)
  const changing = { ...source, pin: async () => ({ kind: 'pinned', pinned }) as const }
  return { ...tools, sources: new Map([['', changing]]) }
}

/** Entries of images that lack something. */
async function findDangling({ storage }: PaperStorage): Promise<readonly string[]> {
  const dangling: string[] = []
  for await (const { key } of storage.upkeep.entries('manifests', signal)) {
    const image = parseManifestEntry(await storage.entries.get('manifests', key, signal))
    for (const { digest } of [...(image?.blobs ?? []), ...(image?.manifests ?? [])])
      if ((await storage.blobs.stat(digest, signal)) === undefined)
        dangling.push(`${key} ${digest}`)
  }
  return dangling
}
