import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import {
  createNixPackageBuilder,
  type NixPackageBuilder,
} from '#adapters/nix/nix-package-builder.ts'
import { createStoreFiles } from '#adapters/nix/store-files.ts'
import { findProgram } from '#adapters/process/find-program.ts'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { buildImage } from '#engine/build-image.ts'
import type { BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { plainNames } from '#test/fakes/plain-names.ts'
import { setSource } from '#test/fakes/set-source.ts'
import { runBuilds } from '#engine/run-builds.ts'
import { serveManifest, type ManifestOutcome } from '#engine/serve-manifest.ts'
import { shareBuilds } from '#engine/share-builds.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { readArchive, type ReadEntry } from '#test/archives/read-archive.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

// For all tests together.
const signal = AbortSignal.timeout(900_000)
const searchPath = process.env['PATH'] ?? ''
const needed = ['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb']
const found = await Promise.all(needed.map((name) => findProgram(name, searchPath)))
const missing = needed.filter((_name, index) => found[index] === undefined)
const skip = missing.length > 0 && `${missing.join(', ')} not installed`

describe('the build flow', { skip }, () => {
  const packer = createWorkerPacker({ threads: 2 })
  let directory: string
  let set: PackageSet
  let realNix: NixPackageBuilder

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-flow-'))
    set = await prepareAwkwardSet(directory)
    realNix = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      nixTimeoutS: 30,
      settings: new Map([['substituters', '']]),
      inheritedEnvironment: process.env,
    })
  })
  after(async () => {
    await packer.close()
    await realNix.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** The flow over a storage of its own; counts what it asks of Nix and lists what it writes. */
  function startFlow({
    storage = createMemoryStorage(),
    layerBudget = 94,
    fixed = true,
    beforeRealise = async (_packages: readonly FoundPackage[]) => {},
  } = {}) {
    const evaluated: string[] = []
    const writes: string[] = []
    const nix: PackageBuilder = {
      evaluate(request, until) {
        evaluated.push(request.packages.join(' '))
        return realNix.evaluate(request, until)
      },
      async realise(packages, ...call) {
        await beforeRealise(packages)
        return realNix.realise(packages, ...call)
      },
      closure: (...call) => realNix.closure(...call),
      lease: () => realNix.lease(),
    }
    const blobs = recordBlobs(storage.blobs, writes)
    const entries = recordEntries(storage.entries, writes)
    const shared = {
      sources: new Map([['', setSource({ ...set, fixed })]]),
      policy: strictPolicy,
      ...storageTools({ blobs, entries, upkeep: storage.upkeep }),
      layerScheme: 'stable',
      layerBudget,
      compression: { codec: 'gzip', level: 6 },
    } as const
    const tools = { ...shared, nix, packer, storeFiles: createStoreFiles }
    const builder = shareBuilds(
      runBuilds((target, observe, until) => buildImage(tools, target, observe, until), {
        observer: { observe: () => {} },
        clock: systemClock,
        deadlineMs: 300_000,
      }),
      { clock: systemClock, graceMs: 0, newBuildId: () => 'build' },
    )
    const manifestTools = {
      ...shared,
      builder,
      ...plainNames,
    }
    const pull = (name: string) =>
      serveManifest(manifestTools, { name, tag: 'latest', acceptsIndex: true }, signal)
    return { pull, evaluated, writes, storage }
  }

  test('an image holds its closure once, and the files work from the root', async () => {
    const { pull, storage } = startFlow()
    const image = await readImage(storage.blobs, await pull('tool/odd-name/gplusplus'))
    const storePaths = image.layers.map(
      (layer) => new Set(layer.map((entry) => entry.path.match(/^nix\/store\/[^/]+/)?.[0])),
    )
    const seen = storePaths.flatMap((paths) =>
      [...paths].filter((path) => path !== undefined && path !== 'nix/store'),
    )
    assert.equal(seen.length, new Set(seen).size, 'no store path is in two layers')
    for (const name of ['greeting-1.0', 'tool-1.0', 'odd_name+1.0?x=y']) {
      assert.equal(seen.filter((path) => path?.endsWith(`-${name}`)).length, 1, name)
    }
    const links = new Map(image.layers.flat().map((entry) => [entry.path, entry.target]))
    assert.match(links.get('bin/tool') ?? '', /^\/nix\/store\/[^/]+-tool-1\.0\/bin\/tool$/)
    assert.equal(image.config.architecture, process.arch === 'arm64' ? 'arm64' : 'amd64')
  })

  test('the second pull asks nothing of Nix and writes nothing', async () => {
    const { pull, evaluated, writes } = startFlow()
    const first = await pull('tool')
    const written = writes.length
    const second = await pull('tool/tool')
    assert.deepEqual(
      [first.kind === 'image' && first.cached, second.kind === 'image' && second.cached],
      [false, true],
    )
    assert.deepEqual(second.kind === 'image' && second.image, first.kind === 'image' && first.image)
    assert.deepEqual(evaluated, ['tool'])
    assert.equal(writes.length, written)
  })

  test('a collection of the Nix store between evaluation and realisation costs an evaluation', async () => {
    let collections = 0
    const { pull, evaluated } = startFlow({
      async beforeRealise(packages) {
        if ((collections += 1) > 2) return
        const derivations = packages.map(({ derivation }) => derivation)
        const deleted = await runCommand('nix-store', ['--delete', ...derivations])
        assert.equal(deleted.exitCode, 0, deleted.stderr)
      },
    })
    const outcome = await pull('remote')
    assert.equal(outcome.kind, 'image', JSON.stringify(outcome))
    assert.deepEqual(evaluated, ['remote', 'remote', 'remote'])
  })

  test('many callers at once are one build', async () => {
    const { pull, evaluated } = startFlow()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => pull('tool/greeting')))
    assert.deepEqual(evaluated, ['greeting tool'])
    for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0])
  })

  test('separate storages and other orders of packages give one digest', async () => {
    const outcomes = await Promise.all([
      startFlow().pull('tool/odd-name/greeting'),
      startFlow().pull('greeting/tool/odd-name/tool'),
    ])
    assert.deepEqual(outcomes[0], outcomes[1])
  })

  test('a smaller budget gives fewer layers with the same files', async () => {
    const { pull, storage } = startFlow({ layerBudget: 1 })
    const image = await readImage(storage.blobs, await pull('tool/odd-name'))
    assert.equal(image.layers.length, 2)
    const wide = startFlow()
    const other = await readImage(wide.storage.blobs, await wide.pull('tool/odd-name'))
    const paths = (layers: readonly ReadEntry[][]) =>
      [...new Set(layers.flat().map((entry) => entry.path))].sort()
    assert.deepEqual(paths(image.layers), paths(other.layers))
  })

  test('blobs are published before the entries that point to them', async () => {
    const { pull, writes } = startFlow()
    await pull('tool/odd-name')
    assert.equal(writes.at(-1), 'manifests')
    const published = writes.filter((write) => write.startsWith('sha256:')).length
    assert.ok(published >= 5, 'layers, config and two manifests')
    assert.ok(writes.indexOf('builds') > 0)
    assert.equal(writes.indexOf('manifests'), writes.length - 1)
  })

  test('a cached image whose blob was lost is made whole again', async () => {
    const { pull, storage } = startFlow()
    const first = await pull('tool')
    assert.ok(first.kind === 'image')
    for (const lost of first.image.blobs) {
      const holed = { ...storage, blobs: hideBlob(storage.blobs, lost.digest) }
      const again = startFlow({ storage: holed })
      const outcome = await again.pull('tool')
      assert.ok(outcome.kind === 'image' && !outcome.cached, 'built anew')
      assert.deepEqual(outcome.image, first.image)
      assert.ok(again.writes.includes(lost.digest), 'and published again')
    }
  })

  test('a set that may change is never answered from cache', async () => {
    const { pull, evaluated, writes } = startFlow({ fixed: false })
    const outcomes = [await pull('tool'), await pull('tool')]
    assert.deepEqual(outcomes[0], outcomes[1])
    assert.deepEqual(evaluated, ['tool', 'tool'])
    assert.ok(!writes.includes('manifests'))
  })

  test('failures are outcomes, leave nothing visible and are not kept', async () => {
    const { pull, evaluated, writes } = startFlow()
    const cases: ReadonlyArray<readonly [name: string, kind: string]> = [
      ['fails', 'build-failed'],
      ['needs-failing', 'build-failed'],
      ['tool/no-such-thing', 'packages'],
      ['throws', 'packages'],
    ]
    for (const [name, kind] of [...cases, ...cases]) {
      const outcome = await pull(name)
      assert.equal(outcome.kind === 'failed' && outcome.failure.kind, kind, name)
    }
    assert.equal(evaluated.length, cases.length * 2)
    assert.deepEqual(writes, [])
  })
})

interface ReadImage {
  readonly config: { readonly architecture: string }
  readonly layers: readonly ReadEntry[][]
}

/** An image as a client sees it: every digest, size and diffID is checked on the way. */
async function readImage(blobs: BlobStore, outcome: ManifestOutcome): Promise<ReadImage> {
  assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
  const [manifest] = outcome.image.manifests
  assert.ok(manifest)
  const read = async ({ digest, size }: { digest: string; size: number }) => {
    const stream = await blobs.open(digest as Digest, undefined, signal)
    assert.ok(stream, `${digest} is stored`)
    const bytes = await buffer(stream)
    assert.deepEqual([digestOf(bytes), bytes.length], [digest, size])
    return bytes
  }
  const document = JSON.parse((await read(manifest)).toString())
  const config = JSON.parse((await read(document.config)).toString())
  assert.equal(document.layers.length, config.rootfs.diff_ids.length)
  const layers: ReadEntry[][] = []
  for (const [index, layer] of document.layers.entries()) {
    const archive = gunzipSync(await read(layer))
    assert.equal(digestOf(archive), config.rootfs.diff_ids[index])
    layers.push(readArchive(archive))
  }
  return { config, layers }
}

function recordBlobs(blobs: BlobStore, writes: string[]): BlobStore {
  return {
    ...blobs,
    async upload(mediaType, until) {
      const upload = await blobs.upload(mediaType, until)
      return {
        write: (chunk) => upload.write(chunk),
        async publish(digest) {
          await upload.publish(digest)
          writes.push(digest)
        },
        discard: () => upload.discard(),
      }
    },
  }
}

function recordEntries(entries: EntryStore, writes: string[]): EntryStore {
  return {
    ...entries,
    async putFirst(kind, ...put) {
      const value = await entries.putFirst(kind, ...put)
      writes.push(kind)
      return value
    },
  }
}

/** The same store as if one blob had been lost, until it is published again. */
function hideBlob(blobs: BlobStore, digest: Digest): BlobStore {
  let hidden = true
  return {
    ...blobs,
    stat: async (asked, until) =>
      hidden && asked === digest ? undefined : blobs.stat(asked, until),
    async upload(mediaType, until) {
      const upload = await blobs.upload(mediaType, until)
      return {
        write: (chunk) => upload.write(chunk),
        async publish(published) {
          await upload.publish(published)
          if (published === digest) hidden = false
        },
        discard: () => upload.discard(),
      }
    },
  }
}
