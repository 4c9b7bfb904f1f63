import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyEvent, type RecordedEvent } from '#core/api/build-progress.ts'
import { platformOf } from '#core/nix/system.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { createBuildJournal } from './build-journal.ts'
import { OperatingError } from './operating-error.ts'
import type { BuildEvent, BuildSubject } from './ports/build-observer.ts'

const bounds = { endedBuilds: 2, eventsPerBuild: 10, logLinesPerBuild: 3 }
const subject: BuildSubject = {
  name: 'shell/git',
  request: { platform: platformOf('amd64'), shell: true, packages: ['git'], options: {} },
  source: '',
  revision: 'r1',
}
const queued: BuildEvent = { kind: 'queued', ...subject }
const started: BuildEvent = { kind: 'started', ...subject }
const path = `/nix/store/${'a'.repeat(32)}-git-2.39` as StorePath
const derivation = `/nix/store/${'b'.repeat(32)}-git-2.39.drv`
const line = (text: string): BuildEvent => ({
  kind: 'realising',
  progress: { kind: 'build-log', derivation, line: text },
})

function setUp() {
  let nowMs = 1000
  const journal = createBuildJournal(() => {
    nowMs += 1
    return nowMs
  }, bounds)
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
  for (const id of ['1', '2', '3', '4'])
    tell(id, queued, { kind: 'aborted', reason: new Error('x') })
  assert.deepEqual(
    journal.list().map(({ id }) => id),
    ['4', '3', 'running'],
  )
})
