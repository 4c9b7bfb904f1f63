import assert from 'node:assert/strict'
import { test } from 'node:test'

import { NameSuggestions } from './name-suggestions.ts'

const set = { identity: 'a', fixed: true, entry: '/none', readablePaths: [] }
const missing = { name: 'gti', path: [], rest: 'gti' }

/** Levels that can be listed, and how often they were. */
function listing(names: readonly string[]) {
  const listed: string[] = []
  const list = async (level: readonly string[]) => {
    listed.push(level.join('.'))
    return names
  }
  return { listed, list }
}

test('NameSuggestions lists a level of a fixed set once for a system', async () => {
  const suggestions = new NameSuggestions()
  const { listed, list } = listing(['git', 'htop'])
  for (let count = 0; count < 3; count++) {
    assert.deepEqual(await suggestions.suggest(missing, set, 'x86_64-linux', list), ['git'])
  }
  assert.equal(listed.length, 1)
  await suggestions.suggest(missing, set, 'aarch64-linux', list)
  await suggestions.suggest(missing, { ...set, identity: 'b' }, 'x86_64-linux', list)
  assert.equal(listed.length, 3)
})

test('NameSuggestions remembers nothing of a set that is not fixed', async () => {
  const suggestions = new NameSuggestions()
  const { listed, list } = listing(['git'])
  const moving = { ...set, fixed: false }
  for (let count = 0; count < 2; count++) {
    assert.deepEqual(await suggestions.suggest(missing, moving, 'x86_64-linux', list), ['git'])
  }
  assert.equal(listed.length, 2)
})

test('NameSuggestions lists a level again that had no names', async () => {
  const suggestions = new NameSuggestions()
  const nothing = listing([])
  assert.deepEqual(await suggestions.suggest(missing, set, 'x86_64-linux', nothing.list), [])
  const { list } = listing(['git'])
  assert.deepEqual(await suggestions.suggest(missing, set, 'x86_64-linux', list), ['git'])
})

test('NameSuggestions forgets the level whose last use is longest ago', async () => {
  const suggestions = new NameSuggestions()
  const { listed, list } = listing(['git'])
  const ask = (identity: string) =>
    suggestions.suggest(missing, { ...set, identity }, 'x86_64-linux', list)
  for (let count = 0; count < 8; count++) await ask(`${count}`)
  await ask('0')
  await ask('8')
  assert.equal(listed.length, 9)
  await ask('0')
  assert.equal(listed.length, 9, 'used last, so kept')
  await ask('1')
  assert.equal(listed.length, 10)
})
