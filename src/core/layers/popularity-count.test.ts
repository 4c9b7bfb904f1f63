import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StorePath } from '#core/nix/store-path.ts'
import { formatPopularity, PopularityCount, referencedNames } from './popularity-count.ts'

function storePath(digit: number, name: string): StorePath {
  return `/nix/store/${String(digit).repeat(32)}-${name}` as StorePath
}

test('referencedNames() gives each name once, without the path itself', () => {
  const path = storePath(1, 'gcc-12')
  const references = [
    storePath(3, 'zlib-1'),
    storePath(2, 'gcc-12'),
    path,
    storePath(4, 'zlib-1'),
    storePath(5, 'bash-5'),
  ]
  // The other gcc is another package, which a bootstrap compiler may well be.
  assert.deepEqual(referencedNames(path, references), ['bash-5', 'gcc-12', 'zlib-1'])
})

test('PopularityCount.ratings() leaves out what one path alone needs', () => {
  const count = new PopularityCount()
  assert.deepEqual([...count.ratings()], [])
  count.add(['zlib-1', 'glibc-2'])
  count.add(['glibc-2', 'bash-5'])
  count.add([])
  count.add(['glibc-2', 'zlib-1'])
  assert.deepEqual(
    [...count.ratings()],
    [
      ['glibc-2', 3],
      ['zlib-1', 2],
    ],
  )
})

test('formatPopularity() gives one text whatever the order of counting, in the order of names', () => {
  const names = ['zlib-1', '42', 'Agda-2', 'a+b?=_c', '7', 'glibc-2']
  const format = (ordered: readonly string[]) => {
    const count = new PopularityCount()
    for (const name of ordered) count.add([name])
    for (const name of ordered) count.add([name])
    return formatPopularity(count.ratings())
  }
  const text = format(names)
  assert.equal(format(names.toReversed()), text)
  assert.equal(
    text,
    '{\n"42": 2,\n"7": 2,\n"Agda-2": 2,\n"a+b?=_c": 2,\n"glibc-2": 2,\n"zlib-1": 2\n}\n',
  )
  assert.deepEqual(Object.keys(JSON.parse(text)).sort(), names.sort())
  assert.deepEqual(JSON.parse(formatPopularity(new Map())), {})
})
