import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { watchDirectories } from './directory-watch.ts'

/** Two directories, and a clock that is ahead of all their times unless a test sets it. */
async function setUp(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'nixery-watch-'))
  context.after(() => rm(root, { recursive: true }))
  const paths = ['one', 'two'].map((name) => join(root, name))
  for (const path of paths) await mkdir(path)
  const clock = { aheadMs: 60_000 }
  const watch = watchDirectories(paths, () => Date.now() + clock.aheadMs)
  /** As a request that arrives later sees it. */
  const look = async () => {
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    return watch.state()
  }
  return { root, path: paths[1]!, clock, watch, look }
}

test('state() stays while nothing happens', async (context) => {
  const { look } = await setUp(context)
  const first = await look()
  assert.equal(typeof first, 'number')
  assert.equal(await look(), first)
})

for (const [what, change] of [
  ['comes', (path: string) => writeFile(join(path, 'new'), '')],
  ['goes', (path: string) => rm(join(path, 'old'))],
  ['is replaced', (path: string) => rename(join(path, 'other'), join(path, 'old'))],
  ['moves away', (path: string) => rename(join(path, 'old'), join(path, '..', 'old'))],
] as const)
  test(`state() is another one when a name ${what}`, async (context) => {
    const { path, look } = await setUp(context)
    await writeFile(join(path, 'old'), '')
    await writeFile(join(path, 'other'), '')
    // So that the change gets another time, however coarse the clock of the file system is.
    await utimes(path, 1, 1)
    const before = await look()
    await change(path)
    const after = await look()
    assert.equal(typeof after, 'number')
    assert.notEqual(after, before)
  })

test('state() says nothing while a further change could have the same time', async (context) => {
  const { path, clock, look } = await setUp(context)
  const { ctimeMs } = await stat(path)
  clock.aheadMs = ctimeMs - Date.now() - 60_000
  assert.equal(await look(), undefined)
  clock.aheadMs = 60_000
  assert.equal(typeof (await look()), 'number')
})

test('state() says nothing of directories that are not there', async (context) => {
  const { root, look } = await setUp(context)
  await rm(join(root, 'one'), { recursive: true })
  assert.equal(await look(), undefined)
})

test('state() looks once for all who ask together', async (context) => {
  const { path, watch, look } = await setUp(context)
  const before = await look()
  await utimes(path, 1, 1)
  assert.equal(typeof before, 'number')
  await new Promise(setImmediate)
  const [one, other] = [watch.state(), watch.state()]
  assert.notEqual(one, before)
  assert.equal(one, other)
})
