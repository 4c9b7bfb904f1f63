import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { narEntryBytes, narStartBytes, type NarEntry } from './nar-size.ts'

// The sizes are those that `nix-store --dump` writes.
const dumped: ReadonlyArray<
  readonly [what: string, entries: ReadonlyArray<readonly [NarEntry, string?]>, sizeBytes: number]
> = [
  ['an empty file', [[{ kind: 'file', sizeBytes: 0, executable: false }]], 112],
  ['an executable of 5 bytes', [[{ kind: 'file', sizeBytes: 5, executable: true }]], 152],
  ['a link to "target"', [[{ kind: 'symlink', target: 'target' }]], 120],
  ['an empty directory', [[{ kind: 'directory' }]], 96],
  [
    'a directory with a file of 9 bytes and a link',
    [
      [{ kind: 'directory' }],
      [{ kind: 'file', sizeBytes: 9, executable: false }, 'file-name'],
      [{ kind: 'symlink', target: '..' }, 'up'],
    ],
    496,
  ],
]

test('narEntryBytes() adds up to what Nix dumps', () => {
  for (const [what, entries, sizeBytes] of dumped) {
    const sum = entries.reduce(
      (bytes, [entry, name]) => bytes + narEntryBytes(entry, name),
      narStartBytes,
    )
    assert.equal(sum, sizeBytes, what)
  }
})

test('narEntryBytes() gives every emptied file away', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), fc.boolean(), (sizeBytes, executable) => {
      const file = { kind: 'file', executable } as const
      assert.notEqual(
        narEntryBytes({ ...file, sizeBytes }, 'name'),
        narEntryBytes({ ...file, sizeBytes: 0 }, 'name'),
      )
    }),
  )
})
