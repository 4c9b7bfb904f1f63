import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { makePulledStorage, type PulledStorage } from './pulled-storage.ts'
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
  let pulled: PulledStorage

  before(async () => {
    pulled = await makePulledStorage()
  })
  after(() => pulled[Symbol.asyncDispose]())

  const cases: ReadonlyArray<readonly [folder: string, damages: readonly Damage[]]> = [
    ['layers', damages],
    ['builds', [...damages, garbage, foreign]],
    ['manifests', [...damages, garbage, foreign]],
  ]
  for (const [folder, kinds] of cases) {
    for (const damage of kinds) {
      test(`heals when a file of ${folder}/ is ${damage.name}`, async () => {
        for (const file of await filesIn(join(pulled.directory, folder))) {
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
    const hex = pulled.digest.slice('sha256:'.length)
    await healsAfter((directory) => garbage.harm(join(directory, 'layers', hex)))
  })

  test('gives nobody a blob that is garbage of the same size, and makes it again', async () => {
    const contents = await contentsIn(pulled.directory)
    for (const file of await filesIn(join(pulled.directory, 'layers'))) {
      if (file === contents) continue
      const directory = join(pulled.scratch, 'damaged')
      await cp(pulled.directory, directory, { recursive: true })
      await garbage.harm(join(directory, 'layers', file))
      // Who reads it sees the connection break; documents are made again before anybody reads them.
      const first = await pulled.pullFrom(directory).catch((error: unknown) => error)
      if (first !== pulled.digest) assert.match(String(first), /terminated|fetch failed/)
      assert.equal(await pulled.pullFrom(directory), pulled.digest)
      assert.deepEqual(await findStorageViolations(directory), [])
      assert.deepEqual(await filesIn(join(directory, 'quarantine')), [file])
      await rm(directory, { recursive: true })
    }
  })

  test('serves an image on when what was noted of its contents is lost or garbage', async () => {
    const directory = join(pulled.scratch, 'damaged')
    await cp(pulled.directory, directory, { recursive: true })
    const files = await filesIn(join(directory, 'manifests'))
    const path = join(directory, 'layers', await contentsIn(pulled.directory))
    await garbage.harm(path)
    assert.equal(await pulled.pullFrom(directory), pulled.digest)
    await rm(path)
    assert.equal(await pulled.pullFrom(directory), pulled.digest)
    // Made again it would be there again.
    assert.deepEqual(await filesIn(join(directory, 'manifests')), files)
    await assert.rejects(stat(path), { code: 'ENOENT' })
    await rm(directory, { recursive: true })
  })

  /** With the cached manifest, which leads past `builds/`, and without it. */
  async function healsAfter(harm: (directory: string) => Promise<void>): Promise<void> {
    for (const keepsManifest of [true, false]) {
      const directory = join(pulled.scratch, 'damaged')
      await cp(pulled.directory, directory, { recursive: true })
      await harm(directory)
      if (!keepsManifest) await rm(join(directory, 'manifests'), { recursive: true })
      assert.equal(await pulled.pullFrom(directory), pulled.digest)
      // An entry that nobody asked for is found out when somebody does.
      await rm(join(directory, 'manifests'), { recursive: true })
      assert.equal(await pulled.pullFrom(directory), pulled.digest)
      assert.deepEqual(await findStorageViolations(directory), [])
      await rm(directory, { recursive: true })
    }
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
