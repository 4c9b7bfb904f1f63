import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyEvent, type BuildProgress, type RecordedEvent } from '#core/api/build-progress.ts'
import { createBuildJournal } from '#engine/build-journal.ts'
import type { BuildEvent } from '#engine/ports/build-observer.ts'
import { subject } from '#test/fakes/web-server.ts'
import { buildEvents } from './build-events.ts'

const derivation = `/nix/store/${'b'.repeat(32)}-git-2.39.drv`
const line = (text: string): BuildEvent => ({
  kind: 'realising',
  progress: { kind: 'build-log', derivation, line: text },
})
const planned: BuildEvent = {
  kind: 'planned',
  layers: [1, 2].map((narSizeBytes) => ({ storePaths: [], narSizeBytes })),
}
const progressOf = (layer: number, archivedBytes: number): BuildEvent => ({
  kind: 'layer-progress',
  layer,
  archivedBytes,
})
const finished: BuildEvent = { kind: 'finished', manifest: 'm', sizeBytes: 1 }

function setUp(...events: readonly BuildEvent[]) {
  const journal = createBuildJournal(() => 1)
  const tell = (...more: readonly BuildEvent[]) => {
    for (const event of more) journal.observe('b1', event)
  }
  tell({ kind: 'queued', ...subject }, ...events)
  return { record: journal.find('b1')!, tell }
}

interface Message {
  readonly id: number
  readonly kind: string
  readonly data: BuildProgress | RecordedEvent
}

/** Reads messages as a browser does. */
function parse(text = ''): readonly Message[] {
  return text
    .split('\n\n')
    .filter((message) => message !== '')
    .map((message) => {
      const [id, kind, data] = message.split('\n').map((field) => field.replace(/^\w+: /, ''))
      return { id: Number(id), kind: kind!, data: JSON.parse(data!) as Message['data'] }
    })
}

function startOf(message: Message | undefined): BuildProgress {
  assert.ok(message !== undefined && 'status' in message.data)
  return message.data
}

const kinds = (text?: string) => parse(text).map(({ kind }) => kind)

test('buildEvents() begins with all that is known, then tells what follows', () => {
  const { record, tell } = setUp({ kind: 'evaluated', derivations: 3 })
  const events = buildEvents(record, undefined, true)
  const [first] = parse(events.next())
  assert.deepEqual(first, { id: 1, kind: 'progress', data: record.progress })
  assert.equal(events.next(), undefined)
  assert.equal(events.isOver(), false)
  tell(planned, finished)
  const rest = parse(events.next())
  assert.deepEqual(
    rest.map(({ id, kind }) => [id, kind]),
    [
      [2, 'planned'],
      [3, 'finished'],
    ],
  )
  const seen = rest.map(({ data }) => data as RecordedEvent)
  assert.deepEqual(seen.reduce(applyEvent, startOf(first)), record.progress)
  assert.deepEqual([events.next(), events.isOver()], [undefined, true])
})

test('buildEvents() tells a client that comes back what it has missed', () => {
  const { record } = setUp(planned, line('a'), line('b'), finished)
  assert.deepEqual(kinds(buildEvents(record, 2, true).next()), ['log', 'finished'])
  assert.deepEqual(kinds(buildEvents(record, 2, false).next()), ['finished'])
  assert.deepEqual(kinds(buildEvents(record, 99, true).next()), ['progress'], 'another life')
})

test('buildEvents() leaves counters out that newer ones replace, and nothing else', () => {
  const { record } = setUp(
    planned,
    progressOf(0, 1),
    progressOf(1, 1),
    line('a'),
    progressOf(0, 2),
    line('b'),
    progressOf(1, 3),
    finished,
  )
  const messages = parse(buildEvents(record, 0, true).next())
  assert.deepEqual(
    messages.map(({ id }) => id),
    [1, 4, 5, 6, 7, 8],
  )
  const start = { ...setUp().record.progress }
  const events = messages.map(({ data }) => data as RecordedEvent)
  assert.deepEqual(events.reduce(applyEvent, start), record.progress)
})

test('buildEvents() gives a long past in pieces, and hidden lines are no pieces', () => {
  const { record } = setUp(planned, ...Array.from({ length: 250 }, () => line('x')), finished)
  const events = buildEvents(record, 0, true)
  const pieces = [events.next(), events.next(), events.next(), events.next()]
  assert.deepEqual(
    pieces.map((piece) => kinds(piece).length),
    [100, 100, 52, 0],
  )
  const hidden = buildEvents(record, 1, false)
  assert.deepEqual(kinds(hidden.next()), ['finished'])
})

test('buildEvents() keeps every message one message', () => {
  const hostile = 'x\n\nevent: finished\ndata: {}\n\n\r\u2028<script>'
  const { record } = setUp(line(hostile))
  const messages = parse(buildEvents(record, 0, true).next())
  assert.equal(messages.length, 1)
  const { event } = messages[0]!.data as RecordedEvent
  assert.equal(event.kind === 'log' && event.line, hostile)
})
