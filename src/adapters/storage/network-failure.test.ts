import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatFailure,
  isBrokenConnection,
  isFileFailure,
  isNetworkFailure,
} from './network-failure.ts'

const failed = (code: string, more = {}) =>
  Object.assign(new Error(`write ${code}`), { code, ...more })

test('isNetworkFailure() knows what passes from what does not', () => {
  for (const code of ['ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT'])
    assert.equal(isNetworkFailure(failed(code)), true, code)
  for (const error of [failed('EPROTO'), failed('ENOENT'), new Error('ECONNRESET'), 'ECONNRESET'])
    assert.equal(isNetworkFailure(error), false, String(error))
})

test('isBrokenConnection() looks at causes', () => {
  const broken = new Error('cannot write', { cause: failed('EPIPE') })
  assert.equal(isBrokenConnection(new Error('cannot publish', { cause: broken })), true)
  assert.equal(isBrokenConnection(failed('ECONNREFUSED')), false)
  assert.equal(isBrokenConnection(undefined), false)
})

test('isFileFailure() knows files from connections', () => {
  assert.equal(isFileFailure(failed('EACCES', { path: '/token' })), true)
  assert.equal(isFileFailure(failed('EACCES', { address: '127.0.0.1' })), false)
})

test('formatFailure() gives one line, also of an error without words', () => {
  assert.equal(formatFailure(new Error(' no\n TLS\n')), 'no TLS')
  assert.equal(formatFailure(new AggregateError([failed('ECONNREFUSED')])), 'write ECONNREFUSED')
  assert.equal(formatFailure('text'), 'text')
})
