import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutSnippet, markMatches, type Piece } from './snippet.ts'

const format = (pieces: readonly Piece[]) =>
  pieces.map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)).join('')

test('markMatches() finds whole words in any case, also in names with underscores', () => {
  const text = 'Pinned: NIXERY_PIN_TTL, a pin.'
  assert.equal(format(markMatches(text, ['pin', 'ttl'])), 'Pinned: NIXERY_[PIN]_[TTL], a [pin].')
  assert.equal(format(markMatches(text, ['pinned', 'pin'])), '[Pinned]: NIXERY_[PIN]_TTL, a [pin].')
  assert.equal(format(markMatches('g++ (C)', [])), 'g++ (C)')
})

test('cutSnippet() shows the first match with what stands before and behind it', () => {
  const text = `${'before '.repeat(50)}the quarantine ${'behind '.repeat(50)}`.trim()
  const snippet = format(cutSnippet(text, ['quarantine']))
  assert.match(snippet, /^… (before )+the \[quarantine\]( behind)+ …$/)
  assert.ok(snippet.length < 180)
})

test('cutSnippet() shows the beginning where the heading alone matches, and all of a short text', () => {
  assert.equal(format(cutSnippet('A short text.', ['other'])), 'A short text.')
  assert.match(format(cutSnippet('word '.repeat(100), [])), /^word( word)+ …$/)
  assert.equal(format(cutSnippet('x'.repeat(300), [])), `${'x'.repeat(160)} …`)
  assert.equal(format(cutSnippet('', ['x'])), '')
})
