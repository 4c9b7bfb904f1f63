import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryObjects } from '#adapters/storage/memory/memory-objects.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { EntryReader } from './read-entries.ts'

const signal = new AbortController().signal

/** A storage with an entry for each name, a second apart. */
async function storeEntries(names: readonly string[]) {
  let nowMs = 0
  const storage = createStorage(createMemoryObjects(() => (nowMs += 1000)))
  const read: string[] = []
  const entries: typeof storage.entries = {
    ...storage.entries,
    async get(...asked) {
      const value = await storage.entries.get(...asked)
      read.push(String(value))
      return value
    },
  }
  const put = (name: string) =>
    storage.entries.putFirst('manifests', cacheKeyOf(name), name, signal)
  for (const name of names) await put(name)
  return { entries, upkeep: storage.upkeep, put, read }
}

async function readNames(reader: EntryReader<string>): Promise<readonly string[]> {
  const all = await reader.readAll(() => {}, signal)
  return all.map(({ value }) => value ?? '').toSorted()
}

test('EntryReader reads each entry once', async () => {
  const stored = await storeEntries(['a', 'b'])
  const reader = new EntryReader(stored, 'manifests', String)
  assert.deepEqual(await readNames(reader), ['a', 'b'])
  await stored.put('c')
  assert.deepEqual(await readNames(reader), ['a', 'b', 'c'])
  assert.deepEqual(stored.read.toSorted(), ['a', 'b', 'c'])
})

test('EntryReader reads no more than the newest entries when it is bounded', async () => {
  const stored = await storeEntries(['z', 'a', 'm'])
  const reader = new EntryReader(stored, 'manifests', String, 2)
  assert.deepEqual(await readNames(reader), ['a', 'm'])
  await stored.put('n')
  assert.deepEqual(await readNames(reader), ['m', 'n'])
  assert.deepEqual(stored.read.toSorted(), ['a', 'm', 'n'])
})
