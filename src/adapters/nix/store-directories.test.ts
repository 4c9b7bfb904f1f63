import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import type { StorePath } from '#core/nix/store-path.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { StoreDirectories } from './store-directories.ts'

/** Any directory may stand for a store path here. */
async function makePath(directory: string, ...names: readonly string[]): Promise<StorePath> {
  await mkdir(join(directory, 'bin'), { recursive: true })
  for (const name of names) await writeFile(join(directory, 'bin', name), '')
  return directory as StorePath
}

suite('StoreDirectories', () => {
  test('lists what is there, and knows what each name is', async () => {
    await using scratch = await makeScratchDirectory()
    const path = await makePath(join(scratch.path, 'path'), 'program')
    await symlink('program', join(path, 'bin/link'))
    const directories = new StoreDirectories().open()
    assert.equal(await directories.kind(path, path), 'directory')
    assert.equal(await directories.kind(path, `${path}/bin`), 'directory')
    assert.equal(await directories.kind(path, `${path}/lib`), undefined)
    assert.deepEqual(
      await directories.list(path, `${path}/bin`),
      new Map([
        ['link', 'symlink'],
        ['program', 'file'],
      ]),
    )
    assert.equal(await directories.readLink(path, `${path}/bin/link`), 'program')
    const absent = join(scratch.path, 'absent') as StorePath
    assert.equal(await directories.kind(absent, absent), undefined)
  })

  test('reads a path once for all builds, and again when it was made again', async () => {
    await using scratch = await makeScratchDirectory()
    const path = await makePath(join(scratch.path, 'path'), 'old')
    const all = new StoreDirectories()
    const list = async () => [...(await all.open().list(path, `${path}/bin`)).keys()]
    assert.deepEqual(await list(), ['old'])
    await rm(join(path, 'bin/old'))
    assert.deepEqual(await list(), ['old'], 'what never happens to a store path is not seen')

    await makePath(join(scratch.path, 'again'), 'new')
    await rename(path, join(scratch.path, 'collected'))
    await rename(join(scratch.path, 'again'), path)
    assert.deepEqual(await list(), ['new'])
  })

  test('remembers no failure', async () => {
    await using scratch = await makeScratchDirectory()
    const path = await makePath(join(scratch.path, 'path'))
    const directories = new StoreDirectories().open()
    const list = () => directories.list(path, `${path}/lib`)
    await assert.rejects(list, { code: 'ENOENT' })
    await mkdir(join(path, 'lib'))
    assert.deepEqual(await list(), new Map())
  })

  test('forgets the paths whose last use is longest ago', async () => {
    await using scratch = await makeScratchDirectory()
    const names = ['one', 'two', 'three']
    const make = (name: string) => makePath(join(scratch.path, name), 'a', 'b', 'c')
    const paths = await Promise.all(names.map(make))
    // Each has five names: its own, the directory and what is in it.
    const all = new StoreDirectories(10)
    const list = async (path: StorePath) => (await all.open().list(path, `${path}/bin`)).size
    const [one, two, three] = paths as [StorePath, StorePath, StorePath]
    for (const path of [one, two, one, three]) assert.equal(await list(path), 3)
    for (const path of paths) await rm(join(path, 'bin/a'))
    assert.deepEqual([await list(one), await list(three), await list(two)], [3, 3, 2])
  })
  test('forgets paths of which nobody has listed anything', async () => {
    await using scratch = await makeScratchDirectory()
    const path = await makePath(join(scratch.path, 'path'), 'a')
    const all = new StoreDirectories(3)
    const list = async () => (await all.open().list(path, `${path}/bin`)).size
    assert.equal(await list(), 1)
    const file = join(scratch.path, 'file') as StorePath
    await writeFile(file, '')
    assert.equal(await all.open().kind(file, file), 'file')
    await rm(join(path, 'bin/a'))
    assert.equal(await list(), 0)
  })
})
