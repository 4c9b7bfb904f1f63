import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildSummary } from '#core/api/build-progress.ts'
import { chooseBuilds } from './run-watch.ts'

/** `a/b:v1 amd64 running`, which is its id as well. */
function build(id: string): BuildSummary {
  const [image = '', architecture = '', status] = id.split(' ')
  const [name = '', tag = ''] = image.split(':')
  return {
    id,
    name,
    tag,
    platform: `linux/${architecture}`,
    source: '',
    revision: 'r',
    status: status as BuildSummary['status'],
    queuedAtMs: 0,
  }
}

test('chooseBuilds() keeps to the tag, and to the platform of the name', () => {
  const known = [
    'a/b:latest amd64 running',
    'a/b:latest arm64 queued',
    'b/a:latest arm64 finished',
    'a/b:v2 amd64 failed',
    'a/b:v1 arm64 finished',
    'a/b:v1 amd64 finished',
  ]
  const table = [
    ['b/a', 'latest', [known[0], known[1]]],
    ['arm64/a/b', 'latest', [known[1]]],
    ['a/b', 'v2', [known[3]]],
    ['a/b', 'v1', [known[4]]],
    ['amd64/a/b', 'v1', [known[5]]],
    ['a/b', 'v3', []],
    ['a', 'latest', []],
  ] as const
  for (const [name, tag, ids] of table) {
    const chosen = chooseBuilds(known.map(build), { name, tag })
    assert.deepEqual(
      chosen.map(({ id }) => id),
      ids,
      `${name}:${tag}`,
    )
  }
})
