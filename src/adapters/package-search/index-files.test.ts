import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { IndexFiles } from './index-files.ts'

const [view, otherView] = [cacheKeyOf('view'), cacheKeyOf('other')]
const dayMs = 24 * 60 * 60 * 1000

async function publish(files: IndexFiles, path: string, usedMs = Date.now()): Promise<void> {
  const unfinished = await files.newPath()
  await writeFile(unfinished, path)
  await files.publish(unfinished, path)
  await utimes(path, usedMs / 1000, usedMs / 1000)
}

test('newest() is the file of the view that was used last', async () => {
  await using directory = await makeScratchDirectory()
  const files = await IndexFiles.open(join(directory.path, 'search'))
  assert.equal(await files.newest(view), undefined)
  const [one, two, other] = [
    files.pathOf(view, 'one'),
    files.pathOf(view, 'two'),
    files.pathOf(otherView, 'one'),
  ]
  const now = Date.now()
  await publish(files, one, now - 3000)
  await publish(files, two, now - 2000)
  await publish(files, other, now - 1000)
  assert.equal(await files.newest(view), two)
  assert.equal(await files.newest(otherView), other)
  await files.use(one)
  assert.equal(await files.newest(view), one)
  await files.remove(one)
  assert.equal(await files.use(one), false)
  assert.equal(await files.newest(view), two)
  await files.close()
})

test('publish() keeps the last two of each view, and none that nobody used for a month', async () => {
  await using directory = await makeScratchDirectory()
  const files = await IndexFiles.open(directory.path)
  const now = Date.now()
  const old = files.pathOf(otherView, 'old')
  await publish(files, old, now - 31 * dayMs)
  const recent = files.pathOf(otherView, 'recent')
  await publish(files, recent, now - 29 * dayMs)
  const kept = ['two', 'three'].map((identity) => files.pathOf(view, identity))
  await publish(files, files.pathOf(view, 'one'), now - 3000)
  await publish(files, kept[0]!, now - 2000)
  await publish(files, kept[1]!)
  const names = (await readdir(directory.path)).filter((name) => name.endsWith('.sqlite'))
  assert.deepEqual(names.map((name) => join(directory.path, name)).sort(), [...kept, recent].sort())
  await files.close()
})

test('newPath() makes a directory again that is lost', async () => {
  await using directory = await makeScratchDirectory()
  const files = await IndexFiles.open(join(directory.path, 'search'))
  await rm(join(directory.path, 'search'), { recursive: true })
  assert.equal(await files.newest(view), undefined)
  const one = files.pathOf(view, 'one')
  assert.equal(await files.use(one), false)
  await publish(files, one)
  assert.equal(await files.newest(view), one)
  await files.close()
  assert.deepEqual(await readdir(join(directory.path, 'search', '.unfinished')), [])
})

test('open() removes what a dead process left unfinished, close() what this one did', async () => {
  await using directory = await makeScratchDirectory()
  const left = join(directory.path, '.unfinished', 'dead')
  await mkdir(left, { recursive: true })
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  await writeFile(join(left, '.boot'), boot.trim())
  const files = await IndexFiles.open(directory.path)
  const path = await files.newPath()
  await writeFile(path, '')
  const peer = await IndexFiles.open(directory.path)
  assert.ok(existsSync(path), 'a living process keeps its files')
  await peer.close()
  await files.close()
  assert.equal(existsSync(path), false)
  assert.equal(existsSync(left), false)
})
