import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatByteSize, parseByteSize } from './byte-size.ts'

test('parseByteSize() reads sizes with their unit', () => {
  const table = [
    ['1KiB', 1024],
    ['500MiB', 500 * 2 ** 20],
    ['50GiB', 50 * 2 ** 30],
    ['1.5gib', 1.5 * 2 ** 30],
    ['2 TiB', 2 * 2 ** 40],
  ] as const
  for (const [text, sizeBytes] of table) assert.equal(parseByteSize(text), sizeBytes, text)
})

test('parseByteSize() takes nothing that it would have to guess', () => {
  for (const text of [
    '',
    '50',
    '50G',
    '50GB',
    '-1GiB',
    '0GiB',
    '1e3MiB',
    'GiB',
    '2000TiB',
    '1GiB ',
  ])
    assert.equal(parseByteSize(text), undefined, text)
})

test('formatByteSize() gives one digit behind the point', () => {
  const table = [
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [2 ** 20 - 1, '1.0 MiB'],
    [50 * 2 ** 30, '50.0 GiB'],
    [2 ** 51, '2048.0 TiB'],
  ] as const
  for (const [sizeBytes, text] of table) assert.equal(formatByteSize(sizeBytes), text)
})
