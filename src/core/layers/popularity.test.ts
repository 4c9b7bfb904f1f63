import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { parseStorePath, storePathName } from '#core/nix/store-path.ts'
import { ratePopularity, type Popularity } from './popularity.ts'

const path = (name: string) => parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}`)!
const graph: ClosureGraph = {
  roots: [path('git-2.39')],
  nodes: [
    { path: path('git-2.39'), narSizeBytes: 1, references: [path('glibc-2.36'), path('zlib-1.2')] },
    { path: path('glibc-2.36'), narSizeBytes: 1, references: [path('glibc-2.36')] },
    { path: path('zlib-1.2'), narSizeBytes: 1, references: [path('glibc-2.36')] },
    { path: path('nss-cacert-3.92'), narSizeBytes: 1, references: [] },
  ],
}

test('ratePopularity() counts the other paths that refer to a path, at least 1', () => {
  check({ kind: 'closure' }, { 'git-2.39': 1, 'glibc-2.36': 2, 'zlib-1.2': 1 })
})

test('ratePopularity() looks names up in a snapshot, where missing is 1', () => {
  const ratings = new Map([
    ['glibc-2.36', 300_000],
    ['zlib-1.2', 0],
  ])
  check(
    { kind: 'snapshot', version: '1', ratings },
    { 'git-2.39': 1, 'glibc-2.36': 300_000, 'zlib-1.2': 1 },
  )
})

function check(popularity: Popularity, expected: Record<string, number>): void {
  const rated = ratePopularity(graph, popularity)
  assert.deepEqual(
    Object.fromEntries([...rated].map(([rated, value]) => [storePathName(rated), value])),
    { ...expected, 'nss-cacert-3.92': 500_000 },
  )
}
