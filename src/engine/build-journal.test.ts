import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { applyEvent, type RecordedEvent } from '#core/api/build-progress.ts'
import { platformOf } from '#core/nix/system.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { createBuildJournal } from './build-journal.ts'
import { OperatingError } from './operating-error.ts'
import type { BuildEvent, BuildSubject } from './ports/build-observer.ts'

const bounds = {
  endedBuilds: 2,
  eventsPerBuild: 10,
  logLinesPerBuild: 3,
  logCharactersPerBuild: 20_000,
}
const subject: BuildSubject = {
  name: 'shell/git',
  tag: 'stable',
  request: { platform: platformOf('amd64'), shell: true, packages: ['git'], options: {} },
  source: '',
  revision: 'r1',
}
const queued: BuildEvent = { kind: 'queued', ...subject }
const started: BuildEvent = { kind: 'started', ...subject }
const path = `/nix/store/${'a'.repeat(32)}-git-2.39` as StorePath
const derivation = `/nix/store/${'b'.repeat(32)}-git-2.39.drv`
const cancelled: BuildEvent = { kind: 'aborted', reason: new Error('x') }
const line = (text: string): BuildEvent => ({
  kind: 'realising',
  progress: { kind: 'build-log', derivation, line: text },
})

function setUp(most = bounds) {
  let nowMs = 1000
  const journal = createBuildJournal(() => {
    nowMs += 1
    return nowMs
  }, most)
  const tell = (id: string, ...events: BuildEvent[]) => {
    for (const event of events) journal.observe(id, event)
  }
  return { journal, tell }
}

test('createBuildJournal() keeps what a build has come to', () => {
  const { journal, tell } = setUp()
  const layers = [
    { storePaths: [path], narSizeBytes: 7 },
    { storePaths: [], narSizeBytes: 0 },
  ]
  tell('b1', queued, started, { kind: 'evaluated', derivations: 3 })
  tell('b1', {
    kind: 'realising',
    progress: { kind: 'build-started', derivation, name: 'git-2.39' },
  })
  assert.deepEqual(journal.find('b1')?.progress.builders, ['git-2.39'])
  tell('b1', { kind: 'planned', layers })
  tell('b1', { kind: 'layer-progress', layer: 0, archivedBytes: 5 })
  const packing = journal.find('b1')!.progress
  assert.equal(packing.step, 'packing')
  assert.deepEqual(
    packing.layers.map(({ state, storePaths, archivedBytes }) => [
      state,
      storePaths,
      archivedBytes,
    ]),
    [
      ['packing', ['git-2.39'], 5],
      ['waiting', [], 0],
    ],
  )
  tell('b1', { kind: 'layer-packed', layer: 0, digest: 'd', sizeBytes: 3, archiveSizeBytes: 9 })
  tell('b1', { kind: 'layer-reused', layer: 1, digest: 'e', sizeBytes: 2 })
  tell('b1', { kind: 'finished', manifest: 'm', sizeBytes: 5 })
  const { status, queuedAtMs, startedAtMs, endedAtMs, lastEvent } = journal.find('b1')!.progress
  assert.deepEqual([status, queuedAtMs, startedAtMs, endedAtMs], ['finished', 1001, 1002, 1009])
  assert.equal(lastEvent, 8)
})

test('createBuildJournal() tells how a builder failed without what it printed', () => {
  const { journal, tell } = setUp()
  const logTail = ["unable to download 'https://secret': HTTP error 404"]
  const message = 'its builder failed with exit code 1'
  const failures = {
    'failed to build': { kind: 'build-failed', message },
    'took too long': { kind: 'build-timed-out', message },
    'cannot be downloaded': { kind: 'source-unavailable', message: logTail[0]! },
  } as const
  for (const [words, failure] of Object.entries(failures)) {
    tell('b1', queued, { kind: 'failed', failure: { ...failure, name: 'git-2', logTail } })
    const { message: told = '' } = journal.find('b1')!.progress
    assert.ok(told.includes(words) && !told.includes('secret'), told)
  }
})

test('createBuildJournal() tells failures as clients read them, and hides faults of the operator', () => {
  const { journal, tell } = setUp()
  tell('b1', queued, { kind: 'failed', failure: { kind: 'deadline-passed', deadlineMs: 2000 } })
  assert.match(journal.find('b1')?.progress.message ?? '', /not done after 2 seconds/)
  const reasons = {
    NO_PERMISSION: new OperatingError('NO_PERMISSION', 'the secret path /srv'),
    log: new Error('the secret path /srv'),
    'nobody waits': new DOMException('nobody waits', 'AbortError'),
  }
  for (const [word, reason] of Object.entries(reasons)) {
    tell('b2', queued, { kind: 'aborted', reason })
    const { status, message = '' } = journal.find('b2')!.progress
    assert.equal(status, 'aborted')
    assert.ok(message.includes(word) && !message.includes('secret'), message)
  }
})

test('follow() and after() give what makes the same progress elsewhere', () => {
  const { journal, tell } = setUp()
  tell('b1', queued, started)
  const record = journal.find('b1')!
  const seen = record.progress
  const followed: RecordedEvent[] = []
  record.follow((recorded) => followed.push(recorded), new AbortController().signal)
  tell('b1', { kind: 'evaluated', derivations: 1 }, line('hello'))
  tell('b1', { kind: 'finished', manifest: 'm', sizeBytes: 1 })
  assert.deepEqual(followed.reduce(applyEvent, seen), record.progress)
  assert.deepEqual(record.after(seen.lastEvent), followed)
  assert.deepEqual(record.after(record.progress.lastEvent), [])
  assert.equal(record.after(99), undefined, 'of another life of the service')
})

test('follow() ends with its signal', () => {
  const { journal, tell } = setUp()
  tell('b1', queued)
  const leaving = new AbortController()
  const followed: RecordedEvent[] = []
  journal.find('b1')!.follow((recorded) => followed.push(recorded), leaving.signal)
  leaving.abort()
  tell('b1', started)
  assert.deepEqual(followed, [])
})

test('follow() leaves nothing at a signal that outlives the build', () => {
  const { journal, tell } = setUp()
  const { signal } = new AbortController()
  tell('b1', queued)
  const followed: RecordedEvent[] = []
  journal.find('b1')!.follow((recorded) => followed.push(recorded), signal)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  tell('b1', started, cancelled)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.equal(followed.at(-1)?.event.kind, 'aborted')
})

test('createBuildJournal() knows an end for the last event, after which nothing is being made', () => {
  const { journal, tell } = setUp()
  tell('b1', queued, started)
  const began = { kind: 'build-started', derivation, name: 'git-2.39' } as const
  tell('b1', { kind: 'realising', progress: began })
  tell('b1', { kind: 'realising', progress: { kind: 'substitute-started', path, from: '' } })
  tell('b1', cancelled)
  const { progress } = journal.find('b1')!
  assert.deepEqual([progress.builders, progress.downloads], [[], []])
  tell('b1', line('late'), { kind: 'layer-progress', layer: 0, archivedBytes: 1 })
  assert.equal(journal.find('b1')!.progress, progress)
  assert.deepEqual(journal.find('b1')!.log.lines, [])
})

test('createBuildJournal() forgets the build that ended first, not the one that began first', () => {
  const { journal, tell } = setUp()
  tell('long', queued, started)
  for (const id of ['1', '2']) tell(id, queued, cancelled)
  tell('long', cancelled)
  assert.deepEqual(
    journal.list().map(({ id }) => id),
    ['2', 'long'],
  )
})

test('createBuildJournal() keeps few lines when they are long, of each no more than it shows', () => {
  const long = { ...bounds, eventsPerBuild: 100, logLinesPerBuild: 100 }
  const { journal, tell } = setUp(long)
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  const { heapUsed } = process.memoryUsage()
  tell('b1', queued, started)
  for (let count = 0; count < 25; count += 1) tell('b1', line(`${count} `.repeat(1_000_000)))
  collectGarbage()
  const grownBytes = process.memoryUsage().heapUsed - heapUsed
  // The last text may still be in a register.
  assert.ok(grownBytes < 10_000_000, `${grownBytes} bytes for lines of 2,000 characters`)
  const record = journal.find('b1')!
  assert.ok(record.log.lines.length <= 20)
  assert.equal(record.log.lines.at(-1)?.line.slice(0, 6), '24 24 ')
  tell('b1', cancelled)
  assert.deepEqual([record.log.lines.length, record.log.droppedLines], [10, 15])
  const { lastEvent } = record.progress
  assert.deepEqual(
    record.after(lastEvent - 11)?.map(({ event }) => event.kind),
    [...Array<string>(10).fill('log'), 'aborted'],
  )
  assert.equal(record.after(lastEvent - 12), undefined)
})

test('createBuildJournal() keeps within its bounds', () => {
  const { journal, tell } = setUp()
  tell('running', queued, started)
  for (let count = 0; count < 100; count += 1) tell('running', line(`line ${count}`))
  const { log, progress } = journal.find('running')!
  assert.equal(progress.lastEvent, 101)
  assert.equal(log.lines.at(-1)?.line, 'line 99')
  assert.ok(log.lines.length < 2 * bounds.logLinesPerBuild)
  assert.equal(log.droppedLines + log.lines.length, 100)
  assert.equal(journal.find('running')!.after(0), undefined)
  for (const id of ['1', '2', '3', '4']) tell(id, queued, cancelled)
  assert.deepEqual(
    journal.list().map(({ id }) => id),
    ['4', '3', 'running'],
  )
})
