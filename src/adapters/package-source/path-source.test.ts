import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPathSource } from './path-source.ts'

const signal = new AbortController().signal

test('createPathSource() serves its path as latest, never from cache', async () => {
  const pin = await createPathSource('', '/set').pin('latest', signal)
  assert.deepEqual(pin, {
    kind: 'pinned',
    pinned: { source: '', revision: 'path:/set', identity: 'path:/set', fixed: false },
  })
})

test('createPathSource() says which tags make sense', async () => {
  const pin = await createPathSource('', '/set').pin('v1', signal)
  assert.equal(pin.kind, 'unknown-tag')
  assert.match(pin.kind === 'unknown-tag' ? pin.message : '', /v1.*latest/)
})
