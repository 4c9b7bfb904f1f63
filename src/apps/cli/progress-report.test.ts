import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { formatProgress, formatProgressBar, reportProgress } from './progress-report.ts'

function setUp(stream: { readonly isTTY?: boolean; readonly columns?: number }) {
  const clock = createManualClock()
  const written: string[] = []
  let nowMs = 5_000
  const progress = reportProgress(
    { ...stream, write: (text: string) => written.push(text) },
    clock,
    { nowMs: () => nowMs },
  )
  const advance = (ms: number) => {
    nowMs += ms
    clock.advance(ms)
  }
  return { progress, written, advance }
}

test('formatProgress() tells share, rate and rest, and no rate that it cannot know', () => {
  const table = [
    [{ done: 0, total: 250_000, doneBefore: 0, elapsedMs: 0 }, '0/250000 (0 %)'],
    [{ done: 9, total: 9, doneBefore: 9, elapsedMs: 100 }, '9/9 (100 %)'],
    [
      { done: 10_000, total: 250_000, doneBefore: 0, elapsedMs: 5_000 },
      '10000/250000 (4 %), 2000/s, 2m 0s left',
    ],
    // Those of an earlier run are done, and say nothing about speed.
    [
      { done: 249_999, total: 250_000, doneBefore: 249_989, elapsedMs: 5_000 },
      '249999/250000 (99 %), 2.0/s, 1s left',
    ],
    [
      { done: 10, total: 250_000, doneBefore: 0, elapsedMs: 10_000 },
      '10/250000 (0 %), 1.0/s, 69h 26m left',
    ],
    [{ done: 100, total: 100, doneBefore: 0, elapsedMs: 1_000 }, '100/100 (100 %), 100/s'],
    [{ done: 0, total: 0, doneBefore: 0, elapsedMs: 0 }, '0/0 (0 %)'],
  ] as const
  for (const [facts, text] of table) assert.equal(formatProgress(facts), text)
})

test('formatProgress() says what is being done, and writes amounts as it is told', () => {
  const facts = { done: 4096, total: 8192, doneBefore: 0, elapsedMs: 2_000, label: 'reading' }
  const formatAmount = (amount: number) => `${amount / 1024} KiB`
  assert.equal(
    formatProgress({ ...facts, formatAmount }),
    'reading 4 KiB/8 KiB (50 %), 2 KiB/s, 2s left',
  )
  assert.equal(formatProgress(facts), 'reading 4096/8192 (50 %), 2048/s, 2s left')
})

test('formatProgressBar() never is longer than its line', () => {
  const facts = { done: 50, total: 100, doneBefore: 0, elapsedMs: 1_000 }
  const bar = `[${'#'.repeat(20)}${' '.repeat(20)}] 50/100 (50 %), 50/s, 1s left`
  assert.equal(formatProgressBar(facts, 79), bar)
  for (let columns = 1; columns < 100; columns += 1)
    assert.ok(formatProgressBar(facts, columns).length <= columns, `${columns} columns`)
  assert.equal(formatProgressBar(facts, 12), '50/100 (50 %')
})

test('reportProgress() draws one line of a terminal anew, as time passes', () => {
  const { progress, written, advance } = setUp({ isTTY: true, columns: 40 })
  advance(1_000)
  assert.deepEqual(written, [], 'nothing before there is something to say')
  progress.update(0, 10)
  progress.update(1, 10)
  assert.equal(written.length, 1)
  advance(200)
  assert.equal(written[1], '\r1/10 (10 %), 5.0/s, 2s left\u001B[K')
  progress.update(10, 10)
  progress[Symbol.dispose]()
  progress[Symbol.dispose]()
  assert.match(written.at(-1)!, /^\r.*10\/10 \(100 %\).*\n$/)
  advance(10_000)
  assert.equal(written.length, 3, 'nothing after the end')
  assert.equal(written.join('').split('\n').length, 2)
})

test('reportProgress() writes a line to a log every ten seconds, and at the end', () => {
  const { progress, written, advance } = setUp({})
  progress.update(0, 300)
  for (let second = 1; second <= 25; second += 1) {
    advance(1_000)
    progress.update(second * 10, 300)
  }
  progress[Symbol.dispose]()
  assert.deepEqual(written, [
    '90/300 (30 %), 9.0/s, 24s left\n',
    '190/300 (63 %), 9.5/s, 12s left\n',
    '250/300 (83 %), 10/s, 5s left\n',
  ])
})

test('reportProgress() says nothing of what never began', () => {
  const { progress, written } = setUp({ isTTY: true })
  progress.update(0, 0)
  progress[Symbol.dispose]()
  assert.deepEqual(written, [])
})
