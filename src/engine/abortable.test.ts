import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { abortable } from './abortable.ts'

const gone = new Error('the caller is gone')

test('abortable() settles like its promise', async () => {
  const { signal } = new AbortController()
  assert.equal(await abortable(Promise.resolve(1), signal), 1)
  await assert.rejects(abortable(Promise.reject(gone), signal), gone)
})

test('abortable() rejects as soon as its signal aborts', async () => {
  const ending = new AbortController()
  const waiting = abortable(new Promise(() => undefined), ending.signal)
  ending.abort(gone)
  await assert.rejects(waiting, gone)
})

test('abortable() rejects when its signal was aborted before', async () => {
  await assert.rejects(abortable(Promise.resolve(1), AbortSignal.abort(gone)), gone)
})

test('abortable() leaves no rejection unheard, whenever its signal aborts', async () => {
  const failures = new AbortController()
  const failing = async () => {
    await once(failures.signal, 'abort')
    throw new Error('nobody waits for this')
  }
  const ending = new AbortController()
  const waiting = [
    abortable(failing(), AbortSignal.abort(gone)),
    abortable(failing(), ending.signal),
  ]
  ending.abort(gone)
  for (const each of waiting) await assert.rejects(each, gone)
  // An unheard rejection fails the test.
  failures.abort()
  await new Promise(setImmediate)
})
