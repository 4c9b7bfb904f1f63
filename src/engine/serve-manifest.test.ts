import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { assembleImage } from '#core/assembly/image-documents.ts'
import { formatPlatform, platformOf } from '#core/nix/system.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import { mostPackages } from '#core/request/image-request.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { plainNames } from '#test/fakes/plain-names.ts'
import { createHeldBuilder, failedOutcome } from '#test/fakes/build-target.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { setSource } from '#test/fakes/set-source.ts'
import type { BuildFailure } from './build-outcome.ts'
import type { BuildTarget } from './image-builder.ts'
import { limitBuilds } from './limit-builds.ts'
import type { ImageSpec } from './ports/image-specs.ts'
import type { PinnedSource } from './ports/package-source.ts'
import type { StorageEvent } from './ports/storage-observer.ts'
import { publishDocument } from './publish-document.ts'
import { refuseName, serveManifest, type ManifestTools } from './serve-manifest.ts'
import { shareBuilds } from './share-builds.ts'
import { describeDocument, type ManifestEntry } from './stored-entries.ts'

const signal = new AbortController().signal
const set = { identity: 'set-1', fixed: true, entry: '/set', readablePaths: [] }
const unsupported: BuildFailure = {
  kind: 'packages',
  failures: [{ kind: 'unsupported-system', package: 'p', message: 'no' }],
}

interface Options extends Partial<ManifestTools> {
  /** Failures by platform. */
  readonly failing?: Readonly<Record<string, BuildFailure>>
  readonly spec?: ImageSpec
}

/** The flow above builds, over a builder that makes images of no layers. */
function start({ failing = {}, spec, ...more }: Options = {}) {
  const memory = createMemoryStorage()
  const storage = storageTools(memory)
  const { blobs, entries } = storage
  const built: BuildTarget[] = []
  const tools: ManifestTools = {
    ...plainNames,
    grammar: {
      platforms: [platformOf('amd64'), platformOf('arm64')],
      sourceNames: new Set(['ours']),
      maxPackages: mostPackages,
    },
    sources: new Map([
      ['', setSource(set)],
      ['ours', setSource({ ...set, identity: 'ours-1' })],
    ]),
    specs: { find: async (name) => (name === 'ci/image' ? spec : undefined) },
    policy: strictPolicy,
    builder: {
      async build(target) {
        built.push(target)
        const failure = failing[formatPlatform(target.request.platform)]
        if (failure) return { kind: 'failed', buildId: 'b1', failure }
        const options = {
          env: [...target.request.packages, JSON.stringify(target.request.options)],
        }
        const { config, ociManifest, dockerManifest } = assembleImage(
          target.request.platform,
          [],
          options,
          'gzip',
        )
        for (const document of [config, ociManifest, dockerManifest])
          await publishDocument(storage, document, signal)
        const image: ManifestEntry = {
          manifests: [ociManifest, dockerManifest].map(describeDocument),
          blobs: [{ digest: config.digest, size: config.bytes.length }],
        }
        await entries.putFirst('manifests', target.key, image, signal)
        return { kind: 'built', image }
      },
    },
    ...storage,
    layerScheme: 'stable',
    layerBudget: 94,
    compression: { codec: 'gzip', level: 6 },
    ...more,
  }
  const pull = (name: string, { tag = 'latest', acceptsIndex = true } = {}) =>
    serveManifest(tools, { name, tag, acceptsIndex }, signal)
  async function read(image: ManifestEntry, mediaType: string) {
    const found = image.manifests.find((it) => it.mediaType === mediaType)
    assert.ok(found, mediaType)
    const bytes = await blobs.readDocument(found.digest, signal)
    return JSON.parse(new TextDecoder().decode(bytes)) as {
      manifests: { mediaType: string; digest: string; platform: object }[]
    }
  }
  async function image(name: string, options = {}) {
    const outcome = await pull(name, options)
    assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
    return outcome.image
  }
  return { tools, built, blobs, entries, upkeep: memory.upkeep, pull, image, read }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

const platformsOf = (built: readonly BuildTarget[]) =>
  built.map(({ request }) => formatPlatform(request.platform))

test('a name without a platform is an index of all platforms, kept as one', async () => {
  const { built, image, pull, read } = start()
  const index = await image('jq')
  assert.deepEqual(platformsOf(built), ['linux/amd64', 'linux/arm64'])
  const oci = await read(index, mediaTypes.ociIndex)
  assert.deepEqual(
    oci.manifests.map(({ mediaType, platform }) => [mediaType, platform]),
    [
      [mediaTypes.ociManifest, { architecture: 'amd64', os: 'linux' }],
      [mediaTypes.ociManifest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
    ],
  )
  const docker = await read(index, mediaTypes.dockerManifestList)
  assert.ok(docker.manifests.every(({ mediaType }) => mediaType === mediaTypes.dockerManifest))
  const again = await pull('jq')
  assert.ok(again.kind === 'image' && again.cached)
  assert.deepEqual(again.image, index)
  assert.equal(built.length, 2)
})

test('a client that takes no index gets the first platform’s image, the one in the index', async () => {
  const { built, image, read } = start()
  const first = await image('jq', { acceptsIndex: false })
  assert.deepEqual(platformsOf(built), ['linux/amd64'])
  const { manifests } = await read(await image('jq'), mediaTypes.ociIndex)
  assert.equal(manifests[0]?.digest, first.manifests[0]?.digest)
  assert.equal(built.length, 2, 'the first platform is not built again')
})

test('a meta-package forces one platform, without an index', async () => {
  const { built, image } = start()
  const { manifests } = await image('arm64/jq')
  assert.equal(manifests[0]?.mediaType, mediaTypes.ociManifest)
  assert.deepEqual(platformsOf(built), ['linux/arm64'])
})

test('a platform that does not have a package is left out, and only then', async () => {
  const without = start({ failing: { 'linux/amd64': unsupported } })
  const made = await without.pull('jq')
  assert.ok(made.kind === 'image')
  assert.deepEqual(made.leftOut, [platformOf('amd64')])
  const { manifests } = await without.read(await without.image('jq'), mediaTypes.ociIndex)
  assert.deepEqual(
    manifests.map(({ platform }) => platform),
    [{ architecture: 'arm64', os: 'linux', variant: 'v8' }],
  )
  const single = await without.image('jq', { acceptsIndex: false })
  assert.equal(single.manifests[0]?.mediaType, mediaTypes.ociManifest)

  const failing: BuildFailure = { kind: 'build-failed', name: 'jq', message: 'no', logTail: [] }
  const broken = await start({ failing: { 'linux/arm64': failing } }).pull('jq')
  assert.ok(broken.kind === 'failed' && broken.failure === failing)
  assert.deepEqual(broken.platform, platformOf('arm64'))

  const both = { 'linux/amd64': unsupported, 'linux/arm64': unsupported }
  const nowhere = await start({ failing: both }).pull('jq')
  assert.ok(nowhere.kind === 'failed' && nowhere.failure === unsupported)
  const forced = await start({ failing: both }).pull('arm64/jq')
  assert.ok(forced.kind === 'failed' && forced.failure === unsupported)
})

test('a failure of one platform is told at once, and nobody waits for the others', async () => {
  const held = createHeldBuilder()
  const clock = createManualClock()
  const { pull } = start({
    builder: shareBuilds(held.builder, { clock, graceMs: 1000, newBuildId: () => 'b1' }),
  })
  const pulling = pull('jq')
  await until(() => held.started.length === 2)
  held.started[0]!.finish(failedOutcome)
  const outcome = await pulling
  assert.ok(outcome.kind === 'failed')
  assert.deepEqual(outcome.platform, platformOf('amd64'))
  const other = held.started[1]!
  assert.equal(other.signal.aborted, false)
  clock.advance(1000)
  assert.equal(other.signal.aborted, true)
})

test('the platforms of an index take turns where there is place for one', async () => {
  const one = { maxRunning: 1, maxQueued: 0 }
  const { tools } = start()
  const builder = limitBuilds(tools.builder, one, () => false)
  const { manifests } = await serveManifest(
    { ...tools, builder },
    { name: 'jq', tag: 'latest', acceptsIndex: true },
    signal,
  ).then((it) => (it.kind === 'image' ? it.image : assert.fail(it.kind)))
  assert.equal(manifests[0]?.mediaType, mediaTypes.ociIndex)

  const held = createHeldBuilder()
  const busy = start({ builder: limitBuilds(held.builder, one, () => false) })
  const first = busy.pull('amd64/jq')
  await until(() => held.started.length === 1)
  await assert.rejects(busy.pull('git'), { code: 'OVERLOADED' })
  held.started[0]!.finish(failedOutcome)
  await first
})

test('an index whose image lost a blob is made again', async () => {
  const { tools, built, image, blobs, read, upkeep } = start()
  const index = await image('jq')
  const listed = [mediaTypes.ociIndex, mediaTypes.dockerManifestList].map((it) => read(index, it))
  const manifests = (await Promise.all(listed)).flatMap((it) => it.manifests)
  const isManifest = (digest: string) => manifests.some((it) => it.digest === digest)
  const lost = index.blobs.find(({ digest }) => !isManifest(digest))!.digest
  await upkeep.removeBlob(lost, signal)
  const observed: StorageEvent[] = []
  const watched = {
    ...tools,
    storageObserver: { observe: (it: StorageEvent) => observed.push(it) },
  }
  await serveManifest(watched, { name: 'jq', tag: 'latest', acceptsIndex: true }, signal)
  assert.equal(built.length, 3)
  assert.notEqual(await blobs.stat(lost, signal), undefined)
  const event = { kind: 'blob-missing', digest: lost }
  assert.deepEqual(observed, [event, event], 'for the index, and for the image')
})

test('entries say what they were made for, as far as nobody else made it before', async () => {
  const spec = { packages: ['jq'], source: '', options: { user: '7' } }
  const { built, image } = start({ spec })
  const { about } = await image('jq/git/jq')
  assert.deepEqual(about, { name: 'git/jq', revision: set.identity })
  assert.deepEqual((await image('git/jq')).about, about)
  assert.equal((await image('ours/shell/jq')).about?.name, 'ours/shell/jq')
  assert.equal((await image('ci/image')).about?.name, 'ci/image')
  await image('ours/arm64/git')
  assert.deepEqual(
    built.map(({ name }) => name),
    ['git/jq', 'git/jq', 'ours/shell/jq', 'ours/shell/jq', 'ci/image', 'ci/image', 'ours/git'],
  )
})

test('a stored spec gives packages and options, and the digest of an equal name', async () => {
  const { image } = start({ spec: { packages: ['jq'], source: '', options: {} } })
  assert.deepEqual(await image('ci/image'), await image('jq'))
  const options = { user: '1000' }
  const other = start({ spec: { packages: ['jq'], source: 'ours', options } })
  assert.notDeepEqual(await other.image('ci/image'), await other.image('jq'))
  assert.deepEqual(other.built[0]?.request.options, options)
  assert.equal(other.built[0]?.source.identity, 'ours-1')
})

test('a stored spec that became wrong is the operator’s to mend', async () => {
  const wrong: ReadonlyArray<readonly [spec: Partial<ImageSpec>, message: RegExp]> = [
    [
      { source: 'gone' },
      /^the spec ci\/image names a package source that is not configured: gone$/,
    ],
    [{ packages: ['amd64'] }, /no package: add one, such as amd64\/shell$/],
    [{ packages: ['amd64', 'arm64', 'jq'] }, /amd64 and arm64 at once/],
  ]
  for (const [change, message] of wrong) {
    const { pull, tools } = start({
      spec: { packages: ['jq'], source: '', options: {}, ...change },
    })
    await assert.rejects(pull('ci/image'), { code: 'SPEC_INVALID', message })
    await assert.rejects(refuseName(tools, 'ci/image'), { code: 'SPEC_INVALID' })
  }
})

test('a build knows what pulls its image', async () => {
  const { built, pull } = start()
  await pull('amd64/jq', { tag: 'v2' })
  await pull('htop', { acceptsIndex: false })
  await pull('ours/jq', { tag: 'v3' })
  const names = built.map(({ pulled: { name, tag } }) => `${name}:${tag}`)
  assert.deepEqual(names, ['amd64/jq:v2', 'htop:latest', 'ours/jq:v3', 'ours/jq:v3'])
  assert.equal(built[0]?.name, 'jq', 'an index is called like its images')
})

test('the tag of a stored spec stands for latest', async () => {
  const tags: string[] = []
  const source = setSource(set)
  const recorded = {
    ...source,
    async pin(tag: string, until: AbortSignal) {
      tags.push(tag)
      return source.pin(tag, until)
    },
  }
  const spec = { packages: ['jq'], source: '', tag: 'v1', options: {} }
  const { pull } = start({ spec, sources: new Map([['', recorded]]) })
  await pull('ci/image')
  await pull('ci/image', { tag: 'v2' })
  await pull('jq')
  assert.deepEqual(tags, ['v1', 'v2', 'latest'])
})

test('the policy comes before every cache, also by digest', async () => {
  const { tools, image } = start()
  await image('jq')
  const strict = { ...tools, policy: { ...strictPolicy, deny: ['j*'] } }
  const outcome = await serveManifest(
    strict,
    { name: 'jq', tag: 'latest', acceptsIndex: true },
    signal,
  )
  assert.equal(outcome.kind, 'denied')
  assert.equal((await refuseName(strict, 'git/jq'))?.kind, 'denied')
  assert.equal(await refuseName(strict, 'git'), undefined)
})

test('all images of an index are made with one popularity, though it changes meanwhile', async () => {
  let loaded = 0
  const popularity = () =>
    ({ kind: 'snapshot', version: `${(loaded += 1)}`, ratings: new Map() }) as const
  const { built, image } = start({ popularity })
  await image('jq')
  assert.deepEqual(
    built.map((target) => target.popularity),
    Array.from({ length: 2 }, () => ({ kind: 'snapshot', version: '1', ratings: new Map() })),
  )
})

test('labels of the revision are part of the image only when they are wanted', async () => {
  const pinned: PinnedSource = {
    source: '',
    revision: 'abc',
    identity: 'set-1',
    fixed: true,
    origin: 'https://example.org/set',
  }
  const sources = new Map([
    ['', { ...setSource(set), pin: async () => ({ kind: 'pinned', pinned }) as const }],
  ])
  const { built, pull } = start({ sources, labelRevision: true })
  await pull('amd64/jq')
  assert.deepEqual(built[0]?.request.options.labels, {
    'org.opencontainers.image.revision': 'abc',
    'org.opencontainers.image.source': 'https://example.org/set',
  })
})
