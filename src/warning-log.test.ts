import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningLog } from './warning-log.ts'

test('warningLog() tells people what is wrong, and what they wait for', () => {
  const lines: string[] = []
  const logger = warningLog((line) => lines.push(line))
  logger.info({ version: '2.8.0' }, 'Nix found')
  logger.info({ packageSet: 'debian' }, 'fetching package lists')
  logger.warn({ error: 'no network' }, 'popularity not loaded')
  logger.error({ packageSet: 'debian' }, 'no mirror')
  assert.deepEqual(lines, [
    'fetching package lists',
    'warn: popularity not loaded: no network',
    'error: no mirror',
  ])
})
