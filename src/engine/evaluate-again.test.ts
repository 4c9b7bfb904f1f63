import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluateAgain } from './evaluate-again.ts'
import { OperatingError } from './operating-error.ts'

const gone = { kind: 'derivations-gone' } as const
const realised = { kind: 'realised' } as const

test('evaluateAgain() goes on until the derivations stay, and gives up after three attempts', async () => {
  for (const collections of [0, 1, 2]) {
    let attempts = 0
    const attempt = async () => ((attempts += 1) > collections ? realised : gone)
    assert.equal(await evaluateAgain(attempt), realised)
    assert.equal(attempts, collections + 1)
  }
  let attempts = 0
  const attempt = async () => {
    attempts += 1
    return gone
  }
  await assert.rejects(
    evaluateAgain(attempt),
    (error) => error instanceof OperatingError && error.code === 'NIX_FAILED',
  )
  assert.equal(attempts, 3)
})
