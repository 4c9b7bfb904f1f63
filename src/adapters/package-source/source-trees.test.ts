import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SourceTrees, type SourceTreesOptions } from './source-trees.ts'

const signal = new AbortController().signal
const dayMs = 24 * 60 * 60 * 1000

async function makeDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-sources-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function open(context: TestContext, options: Partial<SourceTreesOptions> = {}) {
  const directory = options.directory ?? (await makeDirectory(context))
  const trees = await SourceTrees.open({ directory, environment: process.env, ...options })
  context.after(() => trees.close())
  return { directory, trees }
}

/** Writes a file with the text, as a source would. */
function filler(text: string) {
  return async (directory: string) => writeFile(join(directory, 'file'), text)
}

async function keysIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort()
}

test('SourceTrees.tree() fills a tree once, for all that ask, and keeps it', async (context) => {
  const { directory, trees } = await open(context)
  let fills = 0
  const fill = async (path: string) => {
    fills += 1
    await filler('content')(path)
  }
  const paths = await Promise.all([1, 2, 3].map(() => trees.tree('git-1', fill, signal)))
  assert.equal(new Set(paths).size, 1)
  assert.equal(await readFile(join(paths[0]!, 'file'), 'utf8'), 'content')
  assert.equal(basename(paths[0]!), 'source')
  const later = await open(context, { directory })
  assert.equal(await later.trees.tree('git-1', fill, signal), paths[0])
  assert.equal(fills, 1)
})

test('SourceTrees.tree() leaves nothing of a fill that failed, and tries it again', async (context) => {
  const { directory, trees } = await open(context)
  const fail = async (path: string) => {
    await filler('half')(path)
    throw new Error('cut off')
  }
  await assert.rejects(trees.tree('git-1', fail, signal), /cut off/)
  assert.deepEqual(await keysIn(directory), [])
  const [owner = ''] = await readdir(join(directory, '.unfinished'))
  const left = await readdir(join(directory, '.unfinished', owner))
  assert.deepEqual(
    left.filter((name) => !name.startsWith('.')),
    [],
  )
  const path = await trees.tree('git-1', filler('whole'), signal)
  assert.equal(await readFile(join(path, 'file'), 'utf8'), 'whole')
})

test('SourceTrees.tree() goes on while anybody waits, and ends with the last', async (context) => {
  const { trees } = await open(context)
  const filling = Promise.withResolvers<AbortSignal>()
  const mayEnd = Promise.withResolvers<void>()
  const fill = async (path: string, until: AbortSignal) => {
    filling.resolve(until)
    await mayEnd.promise
    until.throwIfAborted()
    await filler('content')(path)
  }
  const [first, second] = [new AbortController(), new AbortController()]
  const one = trees.tree('git-1', fill, first.signal)
  const other = trees.tree('git-1', fill, second.signal)
  const until = await filling.promise
  first.abort(new Error('left'))
  await assert.rejects(one, /left/)
  assert.ok(!until.aborted)
  second.abort(new Error('left too'))
  await assert.rejects(other, /left too/)
  assert.ok(until.aborted)
  mayEnd.resolve()
})

test('SourceTrees.tree() goes on for who asked right before the first left', async (context) => {
  const { trees } = await open(context)
  const filling = Promise.withResolvers<AbortSignal>()
  const mayEnd = Promise.withResolvers<void>()
  let fills = 0
  const fill = async (path: string, until: AbortSignal) => {
    fills += 1
    filling.resolve(until)
    await mayEnd.promise
    await filler('content')(path)
  }
  const first = new AbortController()
  const one = trees.tree('git-1', fill, first.signal)
  const until = await filling.promise
  // No file system has answered between these two: who only looked would not be waiting yet.
  const other = trees.tree('git-1', fill, signal)
  first.abort(new Error('left'))
  await assert.rejects(one, /left/)
  assert.ok(!until.aborted)
  mayEnd.resolve()
  assert.equal(await readFile(join(await other, 'file'), 'utf8'), 'content')
  assert.equal(fills, 1)
})

test('SourceTrees.tree() keeps the newest trees, and all that were used within a day', async (context) => {
  let now = Date.now()
  const { directory, trees } = await open(context, { mostKept: 2, now: () => now })
  for (const key of ['a', 'b', 'c', 'd']) {
    now += 1_000
    await trees.tree(key, filler(key), signal)
  }
  assert.deepEqual(await keysIn(directory), ['a', 'b', 'c', 'd'])
  now += dayMs
  await trees.tree('a', filler('again'), signal)
  now += 1_000
  await trees.tree('e', filler('e'), signal)
  assert.deepEqual(await keysIn(directory), ['a', 'e'])
  assert.equal(await readFile(join(directory, 'a', 'source', 'file'), 'utf8'), 'a')
})

test('SourceTrees.open() sweeps what a killed process was filling', async (context) => {
  const directory = await makeDirectory(context)
  const script = join(directory, 'child.ts')
  const module = join(import.meta.dirname, 'source-trees.ts')
  await writeFile(
    script,
    `const { SourceTrees } = await import(${JSON.stringify(module)})
    const options = { directory: ${JSON.stringify(join(directory, 's'))}, environment: process.env }
    const trees = await SourceTrees.open(options)
    const fill = () => { process.send('filling'); return new Promise(() => setInterval(() => {}, 1e6)) }
    await trees.tree('git-1', fill, new AbortController().signal)`,
  )
  const child = fork(script)
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const { trees } = await open(context, { directory: join(directory, 's') })
  assert.equal((await readdir(join(directory, 's', '.unfinished'))).length, 1)
  await trees.tree('git-1', filler('content'), signal)
})

test('SourceTrees.tree() takes the tree of a process that was faster', async (context) => {
  const { directory, trees } = await open(context)
  const path = await trees.tree(
    'git-1',
    async (own) => {
      await filler('mine')(own)
      await mkdir(join(directory, 'git-1', 'source'), { recursive: true })
      await filler('theirs')(join(directory, 'git-1', 'source'))
    },
    signal,
  )
  assert.equal(await readFile(join(path, 'file'), 'utf8'), 'theirs')
})

test('SourceTrees.tree() takes no key that is a path', async (context) => {
  const { trees } = await open(context)
  for (const key of ['../x', '.unfinished', '', 'a/b'])
    await assert.rejects(trees.tree(key, filler(''), signal), TypeError)
})
