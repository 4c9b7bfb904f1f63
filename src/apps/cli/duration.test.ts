import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAge, parseDuration } from './duration.ts'

test('parseDuration() reads a number with its unit', () => {
  const table = [
    ['0s', 0],
    ['45s', 45_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['30d', 2_592_000_000],
    ['2w', 1_209_600_000],
  ] as const
  for (const [text, durationMs] of table) assert.equal(parseDuration(text), durationMs, text)
})

test('parseDuration() takes nothing else', () => {
  for (const text of ['', '30', 'd', '1.5h', '-1d', '30 d', '30D', '1h30m', '3651d', '9999999s'])
    assert.equal(parseDuration(text), undefined, text)
})

test('formatAge() gives the largest unit', () => {
  const table = [
    [-5, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [5 * 3_600_000 + 1, '5h'],
    [31 * 86_400_000, '31d'],
  ] as const
  for (const [durationMs, text] of table) assert.equal(formatAge(durationMs), text)
})
