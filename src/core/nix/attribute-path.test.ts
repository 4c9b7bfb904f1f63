import assert from 'node:assert/strict'
import { test } from 'node:test'

import { foldAttributeName, formatAttributePath } from './attribute-path.ts'

test('foldAttributeName() gives what a registry name can spell', () => {
  const spellings = new Map([
    ['git', 'git'],
    ['bashInteractive', 'bashinteractive'],
    ['g++', 'gplusplus'],
    ['_7zz', '7zz'],
    ['__x', '_x'],
    ['ÄÖ', 'ÄÖ'],
    ['', ''],
  ])
  for (const [name, folded] of spellings) assert.equal(foldAttributeName(name), folded)
})

test('formatAttributePath() joins names with dots', () => {
  assert.equal(formatAttributePath(['python3Packages', 'numpy']), 'python3Packages.numpy')
})
