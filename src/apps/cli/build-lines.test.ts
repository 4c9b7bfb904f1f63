import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyEvent,
  type BuildProgress,
  type ProgressEvent,
  type RecordedEvent,
} from '#core/api/build-progress.ts'
import { cut, describeEnd, describeEvent, formatBuild } from './build-lines.ts'

const queued: BuildProgress = {
  id: '0123456789ab',
  name: 'shell/git',
  tag: 'latest',
  platform: 'linux/amd64',
  source: '',
  revision: 'r1',
  status: 'queued',
  queuedAtMs: 1_000,
  lastEvent: 0,
  builders: [],
  downloads: [],
  layers: [],
}

const paint = (_colour: string, text: string) => text

function after(events: readonly ProgressEvent[]): BuildProgress {
  return events.map(record).reduce(applyEvent, queued)
}

function record(event: ProgressEvent, index: number): RecordedEvent {
  return { id: index + 1, atMs: 1_000 * (index + 2), event }
}

function planned(count: number): ProgressEvent {
  const layer = (_: unknown, index: number) => ({
    storePaths: index === count - 1 ? [] : [`path-${index}`],
    narSizeBytes: 2_048,
  })
  return { kind: 'planned', layers: Array.from({ length: count }, layer) }
}

test('formatBuild() shows a bar per layer', () => {
  const progress = after([
    { kind: 'started' },
    planned(3),
    { kind: 'layer-progress', layer: 0, archivedBytes: 1_024 },
    { kind: 'layer-reused', layer: 1, digest: 'sha256:x', sizeBytes: 500 },
  ])
  const lines = formatBuild(progress, { columns: 100, rows: 10, nowMs: 9_000, paint })
  assert.deepEqual(lines, [
    'shell/git linux/amd64  packing 1/3 layers  7s  build 0123456789ab',
    `  ${'1 path-0'.padEnd(33)}  [${'#'.repeat(15)}${' '.repeat(15)}]  1.0 KiB of 2.0 KiB`,
    `  ${'2 path-1'.padEnd(33)}  [${'#'.repeat(30)}]  500 bytes stored already`,
    '  3 root file system',
  ])
})

test('formatBuild() fits whatever the size of the terminal is', () => {
  const name = `${'x'.repeat(100)}\u001B[2J漢`
  const states = [
    after([]),
    after([
      { kind: 'started' },
      { kind: 'builder-started', name },
      { kind: 'download-started', name },
    ]),
    after([
      { kind: 'started' },
      planned(120),
      { kind: 'layer-progress', layer: 77, archivedBytes: 9 },
    ]),
    after([{ kind: 'started' }, { kind: 'failed', message: name }]),
  ]
  for (const progress of states)
    for (const columns of [1, 10, 39, 80, 300])
      for (const rows of [1, 2, 5, 40]) {
        const lines = formatBuild(progress, { columns, rows, nowMs: 5_000, paint })
        assert.ok(lines.length <= rows, `${lines.length} lines in ${rows} rows`)
        for (const line of lines) assert.ok(line.length <= columns, `${columns}: ${line}`)
      }
})

test('formatBuild() shows layers under way before others', () => {
  const progress = after([
    { kind: 'started' },
    planned(50),
    { kind: 'layer-progress', layer: 40, archivedBytes: 9 },
  ])
  const lines = formatBuild(progress, { columns: 80, rows: 5, nowMs: 5_000, paint })
  assert.ok(lines.some((line) => line.includes('path-40')))
  assert.equal(lines.at(-1), '  and 47 more')
})

test('describeEvent() gives steps, and nothing that moves', () => {
  const progress = after([{ kind: 'started' }, planned(2)])
  const describe = (event: ProgressEvent) => describeEvent(progress, record(event, 0))
  assert.equal(describe({ kind: 'evaluated', derivations: 1 }), 'evaluated: 1 derivation')
  assert.equal(
    describe({ kind: 'layer-packed', layer: 1, digest: 'x', sizeBytes: 10 }),
    'layer 2 of 2 packed: root file system (10 bytes)',
  )
  assert.equal(describe({ kind: 'builder-started', name: 'a\u001B[31mb\u0007' }), 'building ab')
  assert.equal(describe({ kind: 'log', name: 'a', line: 'b' }), undefined)
  assert.equal(describe({ kind: 'layer-progress', layer: 0, archivedBytes: 1 }), undefined)
})

test('cut() counts what a terminal shows', () => {
  assert.equal(cut('abcdef', 4), 'abc~')
  assert.equal(cut('漢字', 4), '??')
})

test('describeEvent() and describeEnd() pass on no commands of a server', () => {
  const hostile: BuildProgress = { ...queued, id: 'a\u001B[2Jb', status: 'failed' }
  const event = record({ kind: 'started' }, 0)
  assert.equal(describeEvent(hostile, event), 'build ab of revision r1 started')
  assert.equal(describeEnd(hostile), 'shell/git linux/amd64: failed, build ab')
})
