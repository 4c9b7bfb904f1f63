import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageSource, PinnedSource } from '#engine/ports/package-source.ts'
import { describeSource } from './open-web.ts'

function describeOrigin(origin: string | undefined) {
  const pinned: PinnedSource = {
    source: '',
    revision: 'r1',
    identity: 'r1',
    fixed: true,
    ...(origin !== undefined && { origin }),
  }
  const source: PackageSource = {
    pin: async () => ({ kind: 'pinned', pinned }),
    recall: () => ({ kind: 'pinned', pinned }),
    fetch: () => assert.fail('nothing is fetched'),
  }
  return describeSource(new Map([['', source]]), '')
}

test('describeSource() tells where a source is, unless that is on this machine', () => {
  for (const origin of ['https://git.example.org/sets', 'git@git.example.org:sets'])
    assert.deepEqual(describeOrigin(origin), { name: '', revision: 'r1', origin })
  for (const origin of ['/srv/sets', 'file:///srv/sets', './sets', '~/sets', undefined])
    assert.deepEqual(describeOrigin(origin), { name: '', revision: 'r1' })
})
