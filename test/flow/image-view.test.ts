import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import {
  createNixPackageBuilder,
  type NixPackageBuilder,
} from '#adapters/nix/nix-package-builder.ts'
import { createStoreFiles } from '#adapters/nix/store-files.ts'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { ImageView, ViewedLayer } from '#core/api/image-view.ts'
import { parseDigest } from '#core/oci/digest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { buildImage } from '#engine/build-image.ts'
import { createTurns } from '#engine/image-view/run-in-turn.ts'
import { viewAddition } from '#engine/image-view/view-addition.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { runBuilds } from '#engine/run-builds.ts'
import { serveManifest } from '#engine/serve-manifest.ts'
import { shareBuilds } from '#engine/share-builds.ts'
import { readArchive } from '#test/archives/read-archive.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { plainNames } from '#test/fakes/plain-names.ts'
import { setSource } from '#test/fakes/set-source.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { viewCounted } from '#test/fakes/view-counted.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

// For all tests together.
const signal = AbortSignal.timeout(900_000)
const skip = skipUnless(['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'])
const packer = createWorkerPacker({ threads: 2 })
const subject = { tag: 'latest' }

suite('views of stored images', { skip }, () => {
  let directory: string
  let set: PackageSet
  let nix: NixPackageBuilder

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-view-'))
    set = await prepareAwkwardSet(directory)
    nix = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      nixTimeoutS: 30,
      settings: new Map([['substituters', '']]),
      inheritedEnvironment: process.env,
    })
  })
  after(async () => {
    await nix.close()
    await packer.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** What an instance has without Nix. */
  function toolsOn(storage: Storage) {
    return {
      sources: new Map([['', setSource(set)]]),
      policy: strictPolicy,
      ...storageTools(storage),
      layerScheme: 'stable',
      layerBudget: 94,
      compression: { codec: 'gzip', level: 6 },
      ...plainNames,
    } as const
  }

  /** An instance on a storage; its images are made of what the set has. */
  function startInstance(storage: Storage) {
    const tools = toolsOn(storage)
    const steps = { ...tools, nix, packer, storeFiles: createStoreFiles }
    const builder = shareBuilds(
      runBuilds((target, observe, until) => buildImage(steps, target, observe, until), {
        observer: { observe: () => {} },
        clock: systemClock,
        deadlineMs: 300_000,
      }),
      { clock: systemClock, graceMs: 0, newBuildId: () => 'build' },
    )
    const pull = async (name: string) => {
      const request = { ...subject, name, acceptsIndex: true }
      const outcome = await serveManifest({ ...tools, builder }, request, signal)
      assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
    }
    const add = async (name: string, more: string) => {
      const adding = { ...tools, nix, clock: systemClock, inTurn: createTurns(4) }
      const outcome = await viewAddition(adding, { ...subject, name, add: more }, signal)
      assert.ok(outcome.kind === 'viewed', JSON.stringify(outcome))
      return outcome.view
    }
    return { pull, add, view: (name: string) => viewStored(storage, name) }
  }

  /** What another instance shows that shares the storage, and has no Nix at all. */
  function viewStored(storage: Storage, name: string): Promise<ImageView> {
    return viewCounted({ ...toolsOn(storage), upkeep: storage.upkeep }, name, signal)
  }

  async function openStorage(name: string): Promise<Storage> {
    return openFilesystemStorage(join(directory, name))
  }

  test('the closure is what Nix says, and the layers hold what is said of them', async () => {
    const storage = await openStorage('storage')
    const { pull, view } = startInstance(storage)
    await pull('tool/odd-name')
    const { closure = [], layers } = await view('tool/odd-name')
    const tool = closure.find(({ path }) => path.endsWith('-tool-1.0'))
    const odd = closure.find(({ path }) => path.endsWith('-odd_name+1.0?x=y'))
    assert.ok(tool && odd)
    const roots = [tool, odd].map(({ path }) => `/nix/store/${path}`)
    const listed = await runCommand('nix-store', ['--query', '--requisites', ...roots])
    const expected = listed.stdout
      .trim()
      .split('\n')
      .map((path) => basename(path))
    assert.deepEqual(
      closure.map(({ path }) => path),
      expected.toSorted(),
    )
    assert.deepEqual(
      closure.filter(({ asked }) => asked),
      closure.filter((path) => path === tool || path === odd),
    )
    const sizes = await runCommand('nix-store', ['--query', '--size', ...roots])
    assert.deepEqual(
      [tool, odd].map(({ narSizeBytes }) => String(narSizeBytes)),
      sizes.stdout.trim().split('\n'),
    )
    const greeting = closure.findIndex(({ path }) => path.endsWith('-greeting-1.0'))
    assert.deepEqual(tool.references, [greeting])
    for (const layer of layers) {
      const named = layer.paths.map((place) => closure[place]!.path)
      assert.deepEqual(await readPaths(storage, layer), named.toSorted())
    }
    assert.deepEqual(layers.at(-1)?.paths, [])
    await storage.close()
  })

  test('layers name the images that share them', async () => {
    const storage = await openStorage('shared')
    const { pull, view } = startInstance(storage)
    await pull('many-blocks')
    await pull('many-blocks/odd-name')
    const { layers, sharing } = await view('many-blocks')
    assert.equal(sharing, 'known')
    const { layers: grown } = await view('many-blocks/odd-name')
    const common = new Set(grown.map(({ digest }) => digest))
    assert.ok(
      layers.some(({ digest }) => common.has(digest)),
      'a layer is shared',
    )
    for (const { digest, sharedWith, sharedCount } of layers) {
      const names = common.has(digest) ? ['many-blocks/odd-name'] : []
      assert.deepEqual([sharedWith, sharedCount], [names, names.length])
    }
    await storage.close()
  })

  test('what an addition brings is known when it is on this machine, and is what comes', async () => {
    const storage = await openStorage('additions')
    const { pull, view, add } = startInstance(storage)
    await pull('many-blocks')
    const name = 'many-blocks/odd-files'
    assert.deepEqual(await add('many-blocks', 'odd-files'), { name, status: 'unknown' })
    // Still nobody has built it.
    assert.deepEqual(await add('many-blocks', 'odd-files'), { name, status: 'unknown' })
    await pull('odd-files')
    const { status, added, keptLayers, newLayers } = await add('many-blocks', 'odd-files')
    assert.equal(status, 'known')

    const before = await view('many-blocks')
    await pull(name)
    const grown = await view(name)
    const paths = new Set(before.closure?.map(({ path }) => path))
    assert.deepEqual(
      added?.map(({ path }) => path).toSorted(),
      grown.closure?.map(({ path }) => path).filter((path) => !paths.has(path)),
    )
    const digests = new Set(before.layers.map(({ digest }) => digest))
    const kept = grown.layers.filter(({ digest }) => digests.has(digest)).length
    assert.deepEqual([keptLayers, newLayers], [kept, grown.layers.length - kept])
    // The same from what was noted.
    const again = { name, status: 'known', added, keptLayers, newLayers }
    assert.deepEqual(await add('many-blocks', 'odd-files'), again)
    await storage.close()
  })

  test('a set learns nothing of store paths that its packages do not make', async () => {
    const storage = await openStorage('stolen')
    const { pull, add } = startInstance(storage)
    await pull('tool')
    const unknown = { name: 'tool/steals', status: 'unknown' }
    assert.deepEqual(await add('tool', 'steals'), unknown)
    await storage.close()
  })
})

/** The names of the store paths in a layer, sorted. */
async function readPaths({ blobs }: Storage, { digest }: ViewedLayer): Promise<readonly string[]> {
  const stream = await blobs.open(parseDigest(digest)!, undefined, signal)
  assert.ok(stream)
  const entries = readArchive(gunzipSync(await buffer(stream)))
  const names = entries.flatMap(({ path }) => /^nix\/store\/([^/]+)/.exec(path)?.[1] ?? [])
  return [...new Set(names)].toSorted()
}
