import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readControlStanzas } from './control-stanzas.ts'

async function stanzasOf(text: string): Promise<readonly Record<string, string>[]> {
  const stanzas: Record<string, string>[] = []
  for await (const stanza of readControlStanzas(text.split('\n'))) {
    stanzas.push(Object.fromEntries(stanza))
  }
  return stanzas
}

test('readControlStanzas() separates stanzas at blank lines', async () => {
  assert.deepEqual(await stanzasOf('\nPackage: a\nVersion: 1\n\n \n\nPackage: b\n'), [
    { package: 'a', version: '1' },
    { package: 'b' },
  ])
})

test('readControlStanzas() keeps continuation lines and colons, and leaves out comments', async () => {
  const text = 'Description: short: text\n first\n\tsecond\n# no\nHomepage: https://host/x\n'
  assert.deepEqual(await stanzasOf(text), [
    { description: 'short: text\nfirst\nsecond', homepage: 'https://host/x' },
  ])
})

test('readControlStanzas() ignores the case of field names', async () => {
  assert.deepEqual(await stanzasOf('PACKAGE: a'), [{ package: 'a' }])
})
