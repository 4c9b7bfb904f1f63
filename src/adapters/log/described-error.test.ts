import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { describeError } from './described-error.ts'

test('describeError() says the causes that add something, and what to do', () => {
  const cause = new Error('connection refused')
  const error = new OperatingError('STORAGE_BUSY', 'cannot write', { cause })
  assert.match(describeError(error), /^STORAGE_BUSY: cannot write: connection refused; \w/)
  assert.equal(
    describeError(new Error('cannot read: gone', { cause: 'gone' })),
    'cannot read: gone',
  )
  assert.equal(describeError('text'), 'text')
})

test('describeError() gives one line, and says nothing twice that has several', () => {
  const cause = new Error('no\n  TLS\n')
  assert.equal(describeError(new Error('cannot read: no TLS', { cause })), 'cannot read: no TLS')
  assert.equal(describeError(cause), 'no TLS')
})

test('describeError() says what failed first when cleaning up failed as well', async () => {
  async function fail() {
    await using _resource = {
      async [Symbol.asyncDispose]() {
        throw new Error('cannot clean up')
      },
    }
    throw new OperatingError('STORAGE_BUSY', 'cannot write')
  }
  const error = await fail().catch((thrown: unknown) => thrown)
  assert.match(describeError(error), /^STORAGE_BUSY: cannot write; \w/)
})
