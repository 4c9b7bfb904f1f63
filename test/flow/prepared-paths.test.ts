import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createNixPackageBuilder } from '#adapters/nix/nix-package-builder.ts'
import { createStoreFiles } from '#adapters/nix/store-files.ts'
import { openSegmentDirectory } from '#adapters/packing/segment-directory.ts'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { platformOf } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { buildImage } from '#engine/build-image.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { serveBinaryCache, type BinaryCache } from '#test/clients/binary-cache.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { buildTarget } from '#test/fakes/build-target.ts'
import { pinnedSet, setSource } from '#test/fakes/set-source.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

const skip = skipUnless(['nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb', 'setpriv'], {
  root: true,
})

// Far more than a build of two small packages takes; a held download ends with it.
const patienceMs = 180_000

describe('store paths are compressed ahead', { skip, timeout: 600_000 }, () => {
  const resources = new AsyncDisposableStack()
  let directory: string
  let set: PackageSet
  let trustedKey: string
  let built: Build

  const at = (...names: readonly string[]) => join(directory, ...names)
  const nixStore = (...args: readonly string[]) =>
    outputOf({ run: (all) => runCommand('nix-store', all) }, args)

  before(async () => {
    directory = resources.use(await makeScratchDirectory()).path
    await mkdir(at('set'))
    set = await prepareAwkwardSet(at('set'))
    await nixStore('--generate-binary-cache-key', 'own-1', at('secret'), at('public'))
    trustedKey = (await readFile(at('public'), 'utf8')).trim()
    built = await build()
    const copy = ['copy', '--extra-experimental-features', 'nix-command', '--to']
    const target = `file://${at('cache')}?secret-key=${at('secret')}`
    await outputOf({ run: (args) => runCommand('nix', args) }, [...copy, target, ...built.paths])
  })
  after(() => resources.disposeAsync())

  /** Where the cache has something about a store path, or its archive. */
  const narinfoOf = (name: string) => {
    const path = built.paths.find((it) => storePathName(it) === name)!
    return `/${path.slice('/nix/store/'.length).slice(0, 32)}.narinfo`
  }
  const archiveOf = async (name: string) => {
    const narinfo = await readFile(at('cache', narinfoOf(name)), 'utf8')
    return `/${/^URL: (.*)$/m.exec(narinfo)![1]}`
  }

  interface Build {
    readonly manifest: string
    /** The closure of the image. */
    readonly paths: readonly StorePath[]
    /** `warming up`, `preparing <name>`, `finished <name>` of builders, and `realised`, as they happened. */
    readonly events: readonly string[]
  }

  /** Builds the image of `tool`, which refers to `greeting`. */
  async function build(
    cache?: BinaryCache,
    onPrepared: (name: string) => void = () => {},
  ): Promise<Build> {
    await using stack = new AsyncDisposableStack()
    const events: string[] = []
    let paths: readonly StorePath[] = []
    const caches = { substituters: cache ? [cache.url] : [], trustedKeys: [trustedKey] }
    const nix = await createNixPackageBuilder({
      leaseDirectory: at('leases'),
      settings: new Map([['substituters', '']]),
      caches,
      inheritedEnvironment: process.env,
    })
    stack.defer(() => nix.close())
    const segments = await openSegmentDirectory({ directory: at('segments'), mostBytes: 2 ** 24 })
    stack.defer(() => segments.close())
    const packer = createWorkerPacker({ threads: 1, segments })
    stack.defer(() => packer.close())
    const watchedNix: PackageBuilder = {
      ...nix,
      async realise(packages, lease, observe, signal) {
        const outcome = await nix.realise(
          packages,
          lease,
          (progress) => {
            if (progress.kind === 'build-finished') events.push(`finished ${progress.name}`)
            observe(progress)
          },
          signal,
        )
        events.push('realised')
        return outcome
      },
      async closure(roots, signal) {
        const graph = await nix.closure(roots, signal)
        paths = graph.nodes.map(({ path }) => path)
        return graph
      },
    }
    const target = buildTarget('tool')
    const image = await buildImage(
      {
        ...storageTools(createMemoryStorage()),
        sources: new Map([['', setSource(set)]]),
        policy: strictPolicy,
        nix: watchedNix,
        packer: {
          warmUp() {
            events.push('warming up')
            packer.warmUp()
          },
          pack: (...layer) => packer.pack(...layer),
          async prepare(measured, compression, signal) {
            const name = storePathName(measured.path)
            events.push(`preparing ${name}`)
            await packer.prepare(measured, compression, signal)
            onPrepared(name)
          },
        },
        storeFiles: createStoreFiles,
        layerScheme: 'stable',
        layerBudget: 94,
        compression: { codec: 'gzip', level: 5 },
      },
      {
        ...target,
        request: {
          ...target.request,
          platform: platformOf(process.arch === 'arm64' ? 'arm64' : 'amd64'),
        },
        source: pinnedSet(set),
      },
      () => {},
      AbortSignal.timeout(patienceMs),
    )
    assert.ok('manifests' in image, JSON.stringify(image))
    return { manifest: image.manifests[0]!.digest, paths, events }
  }

  test('while others are still being downloaded', async () => {
    await nixStore('--delete', ...built.paths)
    const last = await archiveOf('tool-1.0')
    const { promise: prepared, resolve } = Promise.withResolvers<void>()
    await using cache = await serveBinaryCache(at('cache'), {
      before: (path) => (path === last ? prepared : undefined),
    })
    const again = await build(cache, (name) => {
      if (name === 'greeting-1.0') resolve()
    })
    assert.deepEqual(again.events.slice(0, 2), ['warming up', 'preparing greeting-1.0'])
    assert.ok(again.events.includes('realised'))
    assert.equal(again.manifest, built.manifest)
  })

  test('but not what a builder waits for', async () => {
    await nixStore('--delete', ...built.paths)
    await rm(at('cache', narinfoOf('tool-1.0')))
    await using cache = await serveBinaryCache(at('cache'))
    const again = await build(cache)
    assert.ok(cache.requests.includes(`GET ${await archiveOf('greeting-1.0')} 200`))
    assert.deepEqual(again.events.slice(0, 2), ['warming up', 'finished tool-1.0'])
    assert.equal(again.manifest, built.manifest)
  })
})
