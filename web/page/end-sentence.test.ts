import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endSentence } from './end-sentence.ts'

test('endSentence() adds a full stop where none is', () => {
  assert.equal(endSentence('the log says why'), 'the log says why.')
  for (const ended of ['Is it running?', 'It is.', 'Searching …'])
    assert.equal(endSentence(ended), ended)
})
