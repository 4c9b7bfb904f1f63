import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from './logger.ts'

/** What is written of one value. */
function write(value: unknown): string {
  const written: string[] = []
  const logger = createLogger('info', { write: (line) => void written.push(line) })
  logger.info({ value }, 'said')
  assert.equal(written.length, 1)
  return written[0]!
}

const hostile = [
  'line one\n{"level":"error","msg":"forged"}',
  '\r\u001b[2J\u0000',
  '\u009b2J\u0085\u007f',
  '\u2028{"msg":"forged"}\u2029',
  'moc.live\u202e\u2066\u200f\u200b\ufeff',
  '"},"msg":"forged',
  '\ud800',
]

for (const text of hostile) {
  test(`createLogger() writes one line that a terminal only shows: ${JSON.stringify(text)}`, () => {
    const line = write({ [text]: [text] })
    assert.match(line, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+\n$/u)
    const { msg, value } = JSON.parse(line) as { msg: string; value: unknown }
    assert.equal(msg, 'said')
    assert.deepEqual(value, { [text]: [text] })
  })
}

test('createLogger() leaves text of every language as it is', () => {
  assert.ok(write('größer 日本 👍').includes('größer 日本 👍'))
})
