import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'

import {
  createNixPackageBuilder,
  type NixPackageBuilder,
} from '#adapters/nix/nix-package-builder.ts'
import { createStoreFiles } from '#adapters/nix/store-files.ts'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { findProgram } from '#adapters/process/find-program.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { platformOf } from '#core/nix/system.ts'
import type { Digest } from '#core/oci/digest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { buildImage } from '#engine/build-image.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { readArchive, type ReadEntry } from '#test/archives/read-archive.ts'
import { buildTarget } from '#test/fakes/build-target.ts'
import { pinnedSet, setSource } from '#test/fakes/set-source.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

const searchPath = process.env['PATH'] ?? ''
const needed = ['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb']
const found = await Promise.all(needed.map((name) => findProgram(name, searchPath)))
const missing = needed.filter((_name, index) => found[index] === undefined)
const skip = missing.length > 0 && `${missing.join(', ')} not installed`

/** Names that shells, archives and file systems stumble over, in images. */
describe('awkward files', { skip }, () => {
  const packer = createWorkerPacker({ threads: 2 })
  let directory: string
  let set: PackageSet
  let nix: NixPackageBuilder

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-files-'))
    set = await prepareAwkwardSet(directory)
    nix = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      settings: new Map([['substituters', '']]),
      inheritedEnvironment: process.env,
    })
  })
  after(async () => {
    await packer.close()
    await nix.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** The entries of each layer of an image. */
  async function layersOf(packages: readonly string[], layerBudget = 94): Promise<ReadEntry[][]> {
    const storage = storageTools(createMemoryStorage())
    const { blobs } = storage
    const tools = {
      sources: new Map([['', setSource(set)]]),
      policy: strictPolicy,
      nix,
      packer,
      storeFiles: createStoreFiles,
      ...storage,
      layerScheme: 'original',
      layerBudget,
      compression: { codec: 'gzip', level: 1 },
    } as const
    const platform = platformOf(process.arch === 'arm64' ? 'arm64' : 'amd64')
    const target = buildTarget(packages.join(' '))
    const request = { ...target.request, platform, packages }
    const signal = AbortSignal.timeout(600_000)
    const image = await buildImage(
      tools,
      { ...target, request, source: pinnedSet(set) },
      () => {},
      signal,
    )
    assert.ok('manifests' in image, JSON.stringify(image))
    const readJson = async (digest: Digest): Promise<unknown> =>
      JSON.parse(Buffer.from((await blobs.readDocument(digest, signal))!).toString())
    const { layers } = (await readJson(image.manifests[0]!.digest)) as {
      layers: Array<{ digest: Digest }>
    }
    return Promise.all(
      layers.map(async ({ digest }) => {
        const bytes = await blobs.readDocument(digest, signal)
        assert.ok(bytes)
        return readArchive(gunzipSync(bytes))
      }),
    )
  }

  /** What is below the only store path whose name ends so, by path; names are bytes in archives. */
  function contentsOf(layers: readonly ReadEntry[][], name: string): Map<string, ReadEntry> {
    const entries = new Map<string, ReadEntry>()
    for (const entry of layers.flat()) {
      const [, inside] =
        new RegExp(`^nix/store/[^/]+-${name}(/.*)?$`).exec(
          Buffer.from(entry.path, 'latin1').toString(),
        ) ?? []
      if (inside !== undefined) entries.set(inside.replace(/\/$/, ''), entry)
    }
    return entries
  }

  test('keep their names, whatever they hold', async () => {
    const files = contentsOf(await layersOf(['odd-files']), 'odd-files-1\\.0')
    const textOf = (path: string) => files.get(path)?.contents.toString()
    assert.equal(textOf('/with spaces/a file'), 'spaced\n')
    assert.equal(textOf('/über/雪 ☃.txt'), 'unicode\n')
    const long = [...files.keys()].find((path) => path.endsWith('/end'))
    assert.ok(long !== undefined && long.length > 300)
    assert.equal(textOf(long), 'long\n')
    assert.equal(files.get('/empty')?.type, '5')
  })

  test('that are linked are whole under both names', async () => {
    const files = contentsOf(await layersOf(['odd-files']), 'odd-files-1\\.0')
    for (const name of ['/first', '/second']) {
      const file = files.get(name)
      const copied = file?.type === '1' ? files.get('/first') : file
      assert.equal(copied?.contents.toString(), 'linked\n', name)
    }
  })

  test('have no bits that Nix strips', async () => {
    const files = contentsOf(await layersOf(['odd-files']), 'odd-files-1\\.0')
    assert.equal(files.get('/bin/setuid')?.mode, 0o555)
    for (const [path, { mode, type }] of files) assert.ok(type === '2' || mode <= 0o555, path)
  })

  test('may be all of an output', async () => {
    const layers = await layersOf(['is-a-file'])
    const file = layers.flat().find((entry) => entry.path.endsWith('-is-a-file-1.0'))
    assert.equal(file?.contents.toString(), 'alone\n')
  })

  test('may be links to other outputs, which come along', async () => {
    const layers = await layersOf(['is-a-link'])
    const link = layers.flat().find((entry) => entry.path.endsWith('-is-a-link-1.0'))
    assert.equal(link?.type, '2')
    assert.match(link.target, /^\/nix\/store\/.*-greeting-1\.0$/)
    assert.equal(
      contentsOf(layers, 'greeting-1\\.0').get('/greeting')?.contents.toString(),
      'hello\n',
    )
  })

  test('of 402 store paths fit into the layers that there are', async () => {
    const layers = await layersOf(['many-paths', 'many-paths-again'], 20)
    assert.equal(layers.length, 21)
    const paths = layers
      .flat()
      .map((entry) => entry.path)
      .filter((path) => /^nix\/store\/[^/]+-small-\d+$/.test(path))
    assert.equal(paths.length, 400)
    assert.equal(new Set(paths).size, 400)
  })
})
