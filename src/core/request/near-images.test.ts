import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearImages } from './near-images.ts'

test('nearImages() finds sources and specs that were meant', () => {
  const sources = new Set(['ours', 'debian', 'hell'])
  const specs = ['ci/hello', 'ci/node', 'tools']
  const table: ReadonlyArray<readonly [name: string, near: readonly string[]]> = [
    ['our/hello', ['ours/hello']],
    ['debain/shell/git', ['debian/shell/git']],
    ['ci/hell', ['ci/hello']],
    ['tool', ['tools']],
    ['tools', []],
    // A source alone is no image.
    ['our', []],
    ['ours/helo', []],
    ['shell/git', []],
    ['git/htop', []],
  ]
  for (const [name, near] of table) assert.deepEqual(nearImages(name, sources, specs), near, name)
})
