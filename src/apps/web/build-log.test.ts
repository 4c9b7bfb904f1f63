import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBuildJournal } from '#engine/build-journal.ts'
import { subject } from '#test/fakes/web-server.ts'
import { buildLog } from './build-log.ts'

const derivation = `/nix/store/${'b'.repeat(32)}-git-2.39.drv`

function setUp() {
  const journal = createBuildJournal(() => 1)
  journal.observe('b1', { kind: 'queued', ...subject })
  const print = (...lines: readonly string[]) => {
    for (const line of lines)
      journal.observe('b1', {
        kind: 'realising',
        progress: { kind: 'build-log', derivation, line },
      })
  }
  const finish = () => journal.observe('b1', { kind: 'finished', manifest: 'm', sizeBytes: 1 })
  return { record: journal.find('b1')!, print, finish }
}

test('buildLog() gives what is kept, and with follow what comes', () => {
  const { record, print, finish } = setUp()
  print('one')
  const once = buildLog(record, false)
  const live = buildLog(record, true)
  assert.equal(live.next(), 'git-2.39> one\n')
  assert.deepEqual([live.next(), live.isOver()], [undefined, false])
  print('two')
  assert.equal(live.next(), 'git-2.39> two\n')
  finish()
  assert.deepEqual([live.next(), live.isOver()], [undefined, true])
  assert.deepEqual([once.next(), once.next(), once.isOver()], ['git-2.39> one\n', undefined, true])
})

test('buildLog() takes out what a terminal would obey', () => {
  const { record, print } = setUp()
  print('\u001b[31mred\u001b[0m\ta\u0007b\rc\u009b2Jd\u001b]0;title\u0007e')
  assert.equal(buildLog(record, false).next(), 'git-2.39> red\tabcde\n')
})

test('buildLog() gives a long log in pieces, and says what is missing', () => {
  const { record, print } = setUp()
  print(...Array.from({ length: 250 }, (_, index) => `line ${index}`))
  const log = buildLog(record, false)
  const pieces = [log.next(), log.next(), log.next()]
  assert.deepEqual(
    pieces.map((piece) => piece?.split('\n').length),
    [101, 101, 51],
  )
  print(...Array.from({ length: 10_000 }, (_, index) => `line ${index}`))
  assert.match(buildLog(record, false).next() ?? '', /^\(lines before/)
})
