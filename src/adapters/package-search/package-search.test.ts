import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PackageSource, PinOutcome } from '#engine/ports/package-source.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import type { IndexOrigin } from './index-format.ts'
import { IndexWriter } from './index-writer.ts'
import type { IndexOutcome } from './make-index.ts'
import {
  createPackageSearch,
  type ListingEvent,
  type OpenedPackageSearch,
  type PackageSearchOptions,
} from './package-search.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
const amd64 = 'linux/amd64'

interface MovingSource extends PackageSource {
  revision: string
  fixed: boolean
  pins: number
}

/** A source that moves when a test says so; its one package is called like its revision. */
function movingSource(name: string, revision: string): MovingSource {
  const source: MovingSource = {
    revision,
    fixed: true,
    pins: 0,
    pin: async (): Promise<PinOutcome> => {
      source.pins += 1
      const { revision, fixed } = source
      return {
        kind: 'pinned',
        pinned: { source: name, revision, identity: fixed ? `id-${revision}` : 'live', fixed },
      }
    },
    fetch: async ({ identity, fixed }) => ({
      kind: 'fetched',
      set: { identity, fixed, entry: source.revision, readablePaths: [] },
    }),
  }
  return source
}

const makeIndex: PackageSearchOptions['makeIndex'] = async (set, { path, origin }) => {
  using writer = new IndexWriter(path)
  writer.add(amd64, [{ name: set.entry, attributePath: set.entry }])
  return finish(writer, origin)
}

function finish(writer: IndexWriter, origin: IndexOrigin, isProvisional = false): IndexOutcome {
  const packages = writer.finish({ ...origin, platforms: [amd64], isProvisional })
  return { kind: 'listed', packages, left: 0, unlisted: [] }
}

interface Started extends OpenedPackageSearch, AsyncDisposable {
  readonly events: readonly ListingEvent[]
  advance(ms: number): void
  names(words: string, source?: string): Promise<readonly string[] | string>
}

async function start(
  directory: string,
  source: PackageSource,
  options: Partial<PackageSearchOptions> = {},
): Promise<Started> {
  const events: ListingEvent[] = []
  let now = Date.now()
  const search = await createPackageSearch({
    sources: new Map([['', source]]),
    directory,
    platforms: [amd64],
    view: 'view',
    makeIndex,
    liveIndexMs: 10 * minuteMs,
    nowMs: () => now,
    report: (event) => events.push(event),
    ...options,
  })
  return {
    ...search,
    events,
    advance: (ms) => (now += ms),
    async names(words, source = '') {
      const outcome = await search.search(source, words, 10, signal)
      if (outcome.kind !== 'found') return 'message' in outcome ? outcome.message : outcome.kind
      return outcome.packages.map(({ name }) => name)
    },
    [Symbol.asyncDispose]: () => search.close(),
  }
}

function untilFound(search: Started, name: string) {
  return eventually(name, async () =>
    String(await search.names(name)) === name ? true : undefined,
  )
}

/** What happened, which is told a moment after it can be seen. */
async function untilTold(search: Started, kinds: readonly ListingEvent['kind'][]): Promise<void> {
  await eventually('events', () => (search.events.length >= kinds.length ? true : undefined))
  assert.deepEqual(
    search.events.map(({ kind }) => kind),
    kinds,
  )
}

test('search() begins a listing and does not wait for it', async () => {
  await using directory = await makeScratchDirectory()
  const gate = Promise.withResolvers<void>()
  await using search = await start(directory.path, movingSource('', 'one'), {
    makeIndex: async (...made) => {
      await gate.promise
      return makeIndex(...made)
    },
  })
  assert.equal(await search.names('one'), 'listing')
  assert.equal(await search.names('one'), 'listing')
  gate.resolve()
  await untilFound(search, 'one')
  assert.deepEqual(await search.search('', 'one', 0, signal), {
    kind: 'found',
    packages: [],
    near: [],
    platforms: [amd64],
    revision: 'one',
  })
  await untilTold(search, ['listed'])
  await assert.rejects(search.search('', 'one', 1, AbortSignal.abort(new Error('left'))), /left/)
  await assert.rejects(search.search('unknown', 'one', 1, signal), /no package source is called/)
})

test('a source that has moved is searched as it was until it is listed anew, after a restart too', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  {
    await using search = await start(directory.path, source)
    void search.prepare()
    await untilFound(search, 'one')
  }
  source.revision = 'two'
  const gate = Promise.withResolvers<void>()
  await using search = await start(directory.path, source, {
    makeIndex: async (...made) => {
      await gate.promise
      return makeIndex(...made)
    },
  })
  assert.deepEqual(await search.names('one'), ['one'])
  gate.resolve()
  await untilFound(search, 'two')
  // To its end, as below.
  await search.prepare()
  const { pins } = source
  source.revision = 'one'
  assert.deepEqual(await search.names('two'), ['two'], 'a source is asked once in a minute')
  assert.equal(source.pins, pins)
  search.advance(minuteMs)
  await untilFound(search, 'one')
  assert.equal(search.events.length, 1, 'what was listed before is found on the disk')
})

test('a set that can change under its identity is listed again after a while', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  source.fixed = false
  await using search = await start(directory.path, source)
  await search.prepare()
  source.revision = 'two'
  search.advance(9 * minuteMs)
  // To its end: what ends later counts the next minute from then.
  await search.prepare()
  await untilTold(search, ['listed'])
  search.advance(minuteMs)
  await untilFound(search, 'two')
  await untilTold(search, ['listed', 'listed'])
})

test('a fixed set is listed again after a while when a platform is missing that may be there then', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  let made = 0
  const options: Partial<PackageSearchOptions> = {
    makeIndex: async (set, { path, origin }) => {
      made += 1
      using writer = new IndexWriter(path)
      writer.add(amd64, [{ name: set.entry, attributePath: set.entry }])
      return finish(writer, origin, made === 1)
    },
  }
  {
    await using search = await start(directory.path, source, options)
    await search.prepare()
    assert.deepEqual(await search.names('one'), ['one'], 'what is known is found')
    search.advance(9 * minuteMs)
    await search.prepare()
    assert.equal(made, 1)
  }
  await using search = await start(directory.path, source, options)
  for (const count of [2, 2]) {
    search.advance(11 * minuteMs)
    await search.prepare()
    assert.equal(made, count)
  }
})

test('an index that is damaged is made again', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  {
    await using search = await start(directory.path, source)
    void search.prepare()
    await untilFound(search, 'one')
  }
  const files = (await readdir(directory.path)).filter((name) => name.endsWith('.sqlite'))
  assert.equal(files.length, 1)
  await writeFile(join(directory.path, files[0]!), 'no database')
  await using search = await start(directory.path, source)
  await untilFound(search, 'one')
  await untilTold(search, ['damaged', 'listed'])
})

test('a source that cannot be listed says why, and is tried again after a while', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  let broken = 0
  await using search = await start(directory.path, source, {
    makeIndex: async (...made) => {
      broken += 1
      if (broken === 1) {
        await makeIndex(...made)
        return { kind: 'unlistable', message: 'no package set' }
      }
      if (broken === 2) throw new Error('no Nix')
      return makeIndex(...made)
    },
  })
  const untilSaid = (pattern: RegExp) =>
    eventually(String(pattern), async () =>
      pattern.test(String(await search.names('one'))) ? true : undefined,
    )
  await untilSaid(/^no package set$/)
  const [owner = ''] = await readdir(join(directory.path, '.unfinished'))
  assert.deepEqual(
    (await readdir(join(directory.path, '.unfinished', owner))).filter(
      (name) => !name.startsWith('.'),
    ),
    [],
  )
  search.advance(4 * minuteMs)
  await search.names('one')
  assert.equal(broken, 1)
  search.advance(minuteMs)
  await untilSaid(/cannot be listed now/)
  search.advance(5 * minuteMs)
  await untilFound(search, 'one')
  await untilTold(search, ['unlistable', 'failed', 'listed'])
})

test('sources are listed one after the other, each once whatever it is called', async () => {
  await using directory = await makeScratchDirectory()
  const [usual, other] = [movingSource('usual', 'one'), movingSource('other', 'two')]
  let [running, most, made] = [0, 0, 0]
  await using search = await start(directory.path, usual, {
    sources: new Map([
      ['', usual],
      ['usual', usual],
      ['other', other],
    ]),
    makeIndex: async (...args) => {
      made += 1
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      return makeIndex(...args)
    },
  })
  void search.prepare()
  await eventually('both', () => (search.events.length === 2 ? true : undefined))
  assert.deepEqual([most, made], [1, 2])
  assert.deepEqual(await search.names('one'), ['one'])
  assert.deepEqual(await search.names('one', 'usual'), ['one'])
  assert.deepEqual(await search.names('two', 'other'), ['two'])
  assert.deepEqual(await search.names('one', 'other'), [])
})

test('processes that share the directory make the same index at once', async () => {
  await using directory = await makeScratchDirectory()
  const source = movingSource('', 'one')
  const gate = Promise.withResolvers<void>()
  const both: PackageSearchOptions['makeIndex'] = async (...made) => {
    await gate.promise
    return makeIndex(...made)
  }
  await using search = await start(directory.path, source, { makeIndex: both })
  await using peer = await start(directory.path, source, { makeIndex: both })
  void search.prepare()
  void peer.prepare()
  gate.resolve()
  await untilFound(search, 'one')
  await untilFound(peer, 'one')
  for (const each of [search, peer]) await untilTold(each, ['listed'])
})

test('close() ends what is being listed and leaves nothing of it', async () => {
  await using directory = await makeScratchDirectory()
  const search = await start(directory.path, movingSource('', 'one'), {
    makeIndex: async (_, { path }, until) => {
      await writeFile(path, 'half an index')
      return new Promise((_resolve, reject) =>
        until.addEventListener('abort', () => reject(until.reason as Error)),
      )
    },
  })
  void search.prepare()
  const unfinished = join(directory.path, '.unfinished')
  await eventually('half an index', async () => {
    const names = await readdir(unfinished, { recursive: true })
    return names.some((name) => /\/[0-9a-f-]{36}$/.test(name)) ? true : undefined
  })
  await search.close()
  assert.deepEqual(await readdir(unfinished), [])
  assert.deepEqual(search.events, [])
  assert.equal(await search.names('one'), 'listing')
})

test('a directory that is lost is made again, and what was in it', async () => {
  await using directory = await makeScratchDirectory()
  const home = join(directory.path, 'search')
  const search = await start(home, movingSource('', 'one'))
  await rm(home, { recursive: true })
  await search.prepare()
  assert.deepEqual(await search.names('one'), ['one'])
  await rm(home, { recursive: true })
  search.advance(minuteMs)
  assert.deepEqual(await search.names('one'), ['one'])
  await search.prepare()
  await untilTold(search, ['listed', 'listed'])
  const left = (await readdir(home)).filter((name) => name.endsWith('.sqlite'))
  assert.equal(left.length, 1)
  await search.close()
})

test('search() offers near names to who finds few', async () => {
  await using directory = await makeScratchDirectory()
  const listed = ['git', 'gitg', 'gits-a', 'gits-b', 'gits-c', 'gits-d', 'htop', 'htpo-mode']
  await using search = await start(directory.path, movingSource('', 'one'), {
    makeIndex: async (_, { path, origin }) => {
      using writer = new IndexWriter(path)
      writer.add(
        amd64,
        listed.map((name) => ({ name, attributePath: name })),
      )
      return finish(writer, origin)
    },
  })
  await search.prepare()
  const check = async (words: string, most: number, found: string[], near: string[]) => {
    const outcome = await search.search('', words, most, signal)
    assert.ok(outcome.kind === 'found')
    assert.deepEqual(
      [outcome.packages, outcome.near].map((some) => some.map(({ name }) => name)),
      [found, near],
      words,
    )
  }
  await check('htpo', 9, ['htpo-mode'], ['htop'])
  await check('htpo', 1, ['htpo-mode'], [])
  await check('htop', 9, ['htop'], [])
  await check('gits', 9, ['gits-a', 'gits-b', 'gits-c', 'gits-d'], ['git', 'gitg'])
  await check('gi', 9, listed.slice(0, 6), [])
})
