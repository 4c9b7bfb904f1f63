import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { checkBlobs } from '#adapters/storage/checked/check-blobs.ts'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { makeLocalStore, startLocalRegistry, type LocalStore } from './local-registry.ts'
import { pullImage } from './pull-image.ts'
import { findStorageViolations } from './registry-site.ts'

interface Damage {
  readonly name: string
  harm(path: string): Promise<void>
}

/** What power cuts, full disks and people do to files. */
const damages: readonly Damage[] = [
  { name: 'lost', harm: (path) => rm(path) },
  { name: 'empty', harm: (path) => truncate(path, 0) },
  { name: 'cut in half', harm: async (path) => truncate(path, (await sizeOf(path)) >> 1) },
  { name: 'longer', harm: (path) => writeFile(path, 'more', { flag: 'a' }) },
]

/** Damage that keeps the size; in layers and configs only reading everything finds it. */
const garbage: Damage = {
  name: 'garbage of the same size',
  harm: async (path) => writeFile(path, randomBytes(await sizeOf(path))),
}

/** Well-formed JSON that is no entry. */
const foreign: Damage = { name: 'somebody else’s JSON', harm: (path) => writeFile(path, '{"a":1}') }

suite('a damaged storage directory', () => {
  const resources = new AsyncDisposableStack()
  let scratch: ScratchDirectory
  let store: LocalStore
  let sound: string
  let expected: string

  before(async () => {
    scratch = resources.use(await makeScratchDirectory())
    store = resources.use(await makeLocalStore(scratch.path))
    sound = join(scratch.path, 'sound')
    expected = await pullFrom(sound)
  })
  after(() => resources.disposeAsync())

  const cases: ReadonlyArray<readonly [folder: string, damages: readonly Damage[]]> = [
    ['layers', damages],
    ['builds', [...damages, garbage, foreign]],
    ['manifests', [...damages, garbage, foreign]],
  ]
  for (const [folder, kinds] of cases) {
    for (const damage of kinds) {
      test(`heals when a file of ${folder}/ is ${damage.name}`, async () => {
        for (const file of await filesIn(join(sound, folder))) {
          await healsAfter((directory) => damage.harm(join(directory, folder, file)))
        }
      })
    }
  }

  test('heals when every file is empty', async () => {
    await healsAfter(async (directory) => {
      for (const path of await allFiles(directory)) await truncate(path, 0)
    })
  })

  test('heals when a manifest holds garbage of the same size', async () => {
    const hex = expected.slice('sha256:'.length)
    await healsAfter((directory) => garbage.harm(join(directory, 'layers', hex)))
  })

  test('gives nobody a blob that is garbage of the same size, and makes it again', async () => {
    const contents = await contentsIn(sound)
    for (const file of await filesIn(join(sound, 'layers'))) {
      if (file === contents) continue
      const directory = join(scratch.path, 'damaged')
      await cp(sound, directory, { recursive: true })
      await garbage.harm(join(directory, 'layers', file))
      // Who reads it sees the connection break; documents are made again before anybody reads them.
      const first = await pullFrom(directory).catch((error: unknown) => error)
      if (first !== expected) assert.match(String(first), /terminated|fetch failed/)
      assert.equal(await pullFrom(directory), expected)
      assert.deepEqual(await findStorageViolations(directory), [])
      assert.deepEqual(await filesIn(join(directory, 'quarantine')), [file])
      await rm(directory, { recursive: true })
    }
  })

  test('serves an image on when what was noted of its contents is lost or garbage', async () => {
    const directory = join(scratch.path, 'damaged')
    await cp(sound, directory, { recursive: true })
    const files = await filesIn(join(directory, 'manifests'))
    const path = join(directory, 'layers', await contentsIn(sound))
    await garbage.harm(path)
    assert.equal(await pullFrom(directory), expected)
    await rm(path)
    assert.equal(await pullFrom(directory), expected)
    // Made again it would be there again.
    assert.deepEqual(await filesIn(join(directory, 'manifests')), files)
    await assert.rejects(stat(path), { code: 'ENOENT' })
    await rm(directory, { recursive: true })
  })

  /** With the cached manifest, which leads past `builds/`, and without it. */
  async function healsAfter(harm: (directory: string) => Promise<void>): Promise<void> {
    for (const keepsManifest of [true, false]) {
      const directory = join(scratch.path, 'damaged')
      await cp(sound, directory, { recursive: true })
      await harm(directory)
      if (!keepsManifest) await rm(join(directory, 'manifests'), { recursive: true })
      assert.equal(await pullFrom(directory), expected)
      // An entry that nobody asked for is found out when somebody does.
      await rm(join(directory, 'manifests'), { recursive: true })
      assert.equal(await pullFrom(directory), expected)
      assert.deepEqual(await findStorageViolations(directory), [])
      await rm(directory, { recursive: true })
    }
  }

  async function pullFrom(directory: string): Promise<string> {
    const storage = await openFilesystemStorage(directory)
    const blobs = checkBlobs(storage, { observe: () => {} })
    await using registry = await startLocalRegistry(store, { ...storage, blobs })
    const digest = await pullImage(registry.url, 'program')
    await storage.close()
    return digest
  }
})

async function allFiles(directory: string): Promise<readonly string[]> {
  const folders = ['layers', 'builds', 'manifests'].map((name) => join(directory, name))
  const files = await Promise.all(
    folders.map(async (folder) => (await filesIn(folder)).map((name) => join(folder, name))),
  )
  return files.flat()
}

/** The file of what is noted of the one image. */
async function contentsIn(directory: string): Promise<string> {
  const [entry = ''] = await filesIn(join(directory, 'manifests'))
  const text = await readFile(join(directory, 'manifests', entry), 'utf8')
  const { contents } = JSON.parse(text) as { readonly contents: { readonly digest: string } }
  return contents.digest.slice('sha256:'.length)
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder)
  assert.notEqual(names.length, 0, `${folder} has files`)
  return names
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size
}
