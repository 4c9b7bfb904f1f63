import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { parseStorePath, storePathName, type StorePath } from '#core/nix/store-path.ts'
import type { RealiseProgress } from './ports/package-builder.ts'
import { startPreparation } from './prepare-store-paths.ts'

test('a store path is prepared with its closure once it is downloaded, the largest first', async () => {
  const site = startSite({ git: ['curl', 'libc'], curl: ['libc'] }, { libc: 7, curl: 3, git: 5 })
  const listener = site.preparation.watch([wanted('git')])
  listener(downloaded('libc'))
  await site.settle()
  listener(downloaded('git'))
  await site.settle()
  assert.deepEqual(site.started, ['libc', 'git', 'curl'])
  assert.deepEqual(site.sizes, [7, 5, 3])
})

const ten = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']

test('of many store paths eight are prepared at once', async () => {
  const site = startSite({ all: ten }, { all: 2 }, 'held')
  const listener = site.preparation.watch([wanted('all')])
  listener(downloaded('all'))
  await site.settle()
  assert.deepEqual(site.started, ['all', ...ten.slice(0, 7)])
  site.end('a')
  await site.settle()
  assert.deepEqual(site.started, ['all', ...ten.slice(0, 8)])
})

test('paths that are realised together take one look at the store', async () => {
  const site = startSite({}, {}, 'held')
  const listener = site.preparation.watch([wanted('a')])
  for (const name of ['a', 'b', 'c']) listener(downloaded(name))
  await site.settle()
  site.end('a')
  await site.settle()
  assert.deepEqual(site.queries, ['a', 'b c'])
})

test('what only builders need is not prepared, what was asked for is', async () => {
  const site = startSite({ tool: ['libc'] })
  const listener = site.preparation.watch([wanted('tool'), wanted('other')])
  listener({ kind: 'begun', derivations: 2 })
  listener(totals(3))
  listener(downloaded('compiler'))
  listener(downloaded('libc'))
  listener(downloaded('other'))
  listener({ kind: 'build-finished', derivation: storePath('source.drv'), name: 'source' })
  await site.settle()
  assert.deepEqual(site.started, ['other'])
  listener({ kind: 'build-finished', derivation: storePath('tool.drv'), name: 'tool' })
  await site.settle()
  assert.deepEqual(site.started, ['other', 'libc', 'tool'])
})

test('as many expected builds as derivations that are not there are no builds yet', async () => {
  for (const [expected, started] of [
    [1, ['libc']],
    [2, []],
  ] as const) {
    const site = startSite({})
    const listener = site.preparation.watch([wanted('one'), wanted('two')])
    // The other one is there.
    listener({ kind: 'begun', derivations: 1 })
    listener(totals(expected))
    listener(downloaded('libc'))
    await site.settle()
    assert.deepEqual(site.started, started)
  }
})

test('nothing begins after finish(), and what runs goes on', async () => {
  const site = startSite({ all: ten }, {}, 'held')
  const listener = site.preparation.watch([wanted('all')])
  listener(downloaded('all'))
  await site.settle()
  site.preparation.finish()
  listener(downloaded('late'))
  site.end('a')
  site.end('b')
  await site.settle()
  assert.deepEqual([site.started.length, site.aborted], [8, []])
})

test('its end stops what runs and waits for it', async () => {
  const site = startSite({ all: ten }, {}, 'held')
  site.preparation.watch([wanted('all')])(downloaded('all'))
  await site.settle()
  await site.preparation[Symbol.asyncDispose]()
  assert.deepEqual([site.started.length, site.aborted], [8, site.started])
})

test('the end of the build stops it', async () => {
  const site = startSite({}, {}, 'held')
  const listener = site.preparation.watch([wanted('a')])
  listener(downloaded('a'))
  listener(downloaded('b'))
  await site.settle()
  site.build.abort(new Error('nobody waits'))
  await site.settle()
  assert.deepEqual([site.started, site.aborted], [['a'], ['a']])
})

test('failures cost nothing but the path', async () => {
  const site = startSite({ tool: ['broken', 'libc'] })
  const listener = site.preparation.watch([wanted('tool')])
  listener(downloaded('collected'))
  await site.settle()
  listener(downloaded('tool'))
  await site.settle()
  assert.deepEqual(site.started, ['broken', 'libc', 'tool'])
})

test('an image that is too large is not prepared to its end', async () => {
  const site = startSite({}, { small: 40, large: 61 }, 'at once', 100)
  const listener = site.preparation.watch([wanted('large')])
  listener(downloaded('small'))
  await site.settle()
  listener(downloaded('large'))
  await site.settle()
  assert.deepEqual(site.started, ['small'])
})

/**
 * A store where `collected` is gone before anybody asks, and a packer that cannot read `broken`.
 * Held store paths are prepared for as long as the test wants.
 */
function startSite(
  references: Readonly<Record<string, readonly string[]>>,
  sizes: Readonly<Record<string, number>> = {},
  pace: 'at once' | 'held' = 'at once',
  maxClosureBytes?: number,
) {
  const build = new AbortController()
  const queries: string[] = []
  const started: string[] = []
  const startedSizes: number[] = []
  const aborted: string[] = []
  const held = new Map<string, () => void>()
  const preparation = startPreparation(
    {
      nix: {
        async closure(paths, signal): Promise<ClosureGraph> {
          signal.throwIfAborted()
          const names = paths.map(storePathName)
          queries.push(names.join(' '))
          if (names.includes('collected')) throw new Error('this path is not valid')
          const members = new Set(names.flatMap((name) => [name, ...(references[name] ?? [])]))
          const nodes = [...members].toSorted().map((name) => ({
            path: storePath(name),
            narSizeBytes: sizes[name] ?? 1,
            references: [],
          }))
          return { roots: paths, nodes }
        },
      },
      packer: {
        warmUp() {},
        async prepare({ path, narSizeBytes }, _compression, signal) {
          const name = storePathName(path)
          started.push(name)
          startedSizes.push(narSizeBytes)
          if (name === 'broken') throw new Error('this path cannot be read')
          if (pace === 'at once') return
          const { promise, resolve, reject } = Promise.withResolvers<void>()
          held.set(name, resolve)
          // Not at once, as with threads.
          const abort = () => {
            aborted.push(name)
            reject(signal.reason as Error)
          }
          signal.addEventListener('abort', () => void setImmediate(abort))
          await promise
        },
      },
      compression: { codec: 'gzip', level: 5 },
      policy: maxClosureBytes === undefined ? {} : { maxClosureBytes },
    },
    build.signal,
  )
  return {
    preparation,
    build,
    queries,
    started,
    sizes: startedSizes,
    aborted,
    end: (name: string) => held.get(name)!(),
    /** Lets everything happen that waits for nothing but promises. */
    async settle() {
      await turn()
      await turn()
    },
  }
}

function wanted(name: string): FoundPackage {
  return {
    kind: 'found',
    package: name,
    attributePath: [name],
    derivation: storePath(`${name}.drv`),
    outputs: [{ name: 'out', path: storePath(name) }],
  }
}

function downloaded(name: string): RealiseProgress {
  return { kind: 'substitute-finished', path: storePath(name) }
}

function totals(buildsExpected: number): RealiseProgress {
  const none = { buildsDone: 0, downloadedBytes: 0, downloadExpectedBytes: 0 }
  return { kind: 'totals', buildsExpected, ...none }
}

function storePath(name: string): StorePath {
  return parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}`)!
}
