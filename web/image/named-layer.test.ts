import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImageView } from '#core/api/image-view.ts'
import { nameLayers } from './named-layer.ts'

const layer = { digest: 'sha256:0', sizeBytes: 1, paths: [], sharedWith: [], sharedCount: 0 }
const view: ImageView = {
  name: 'git',
  tag: 'latest',
  digest: 'sha256:1',
  platform: 'linux/amd64',
  platforms: ['linux/amd64'],
  revision: 'r',
  sizeBytes: 2,
  sharing: 'known',
  layers: [{ ...layer, paths: [0, 1] }, { ...layer, paths: [2] }, layer],
  closure: [
    { path: 'aaa-zlib', narSizeBytes: 5, references: [] },
    { path: 'bbb-glibc', narSizeBytes: 30, references: [] },
    { path: 'ccc-git-2', narSizeBytes: 40, references: [0, 1] },
  ],
}

test('nameLayers() calls a layer by its largest store path', () => {
  const named = nameLayers(view).map(({ title, narSizeBytes }) => [title, narSizeBytes])
  assert.deepEqual(named, [
    ['glibc and 1 more', 35],
    ['git-2', 40],
    ['root file system', undefined],
  ])
})

test('nameLayers() counts the layers of an image without its closure', () => {
  const { closure: _, ...old } = view
  const titles = nameLayers(old).map(({ title }) => title)
  assert.deepEqual(titles, ['layer 1', 'layer 2', 'root file system'])
})
