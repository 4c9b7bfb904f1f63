import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatOneLine } from './one-line.ts'

test('formatOneLine() marks what it cuts', () => {
  assert.equal(formatOneLine(' a \n\t b '), 'a b')
  assert.equal(formatOneLine('x'.repeat(501)), `${'x'.repeat(499)}…`)
})

test('formatOneLine() leaves nothing that terminals obey or that turns text round', () => {
  const hostile = 'a\u001b[2Jb\u009bc\u0000d\u2028e\u202ef\u2066g\u200bh\ufeffi\u061cj'
  assert.equal(formatOneLine(hostile), 'a [2Jb c d e f g h i j')
})
