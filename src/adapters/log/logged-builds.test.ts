import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { platformOf } from '#core/nix/system.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { GivenUp } from '#engine/share-builds.ts'
import { describeError } from './described-error.ts'
import { logBuilds } from './logged-builds.ts'

test('logBuilds() writes one line per milestone, under the build id, that no package can forge', () => {
  const lines: string[] = []
  const builds = logBuilds(pino({ base: null }, { write: (line) => lines.push(line) }))
  const message = 'line one\n{"level":50,"msg":"forged"}'
  builds.observe('b1', { kind: 'planned', layers: [{ storePaths: [], narSizeBytes: 10 }] })
  builds.observe('b1', { kind: 'layer-reused', layer: 0, digest: 'sha256:x', sizeBytes: 1 })
  builds.observe('b1', {
    kind: 'failed',
    failure: { kind: 'build-failed', name: 'git', message, logTail: [] },
  })
  const [planned, failed, ...others] = lines.map((line) => JSON.parse(line))
  assert.deepEqual(others, [], 'details stay below info')
  assert.deepEqual([planned.build, planned.msg, planned.layers], ['b1', 'layers planned', 1])
  assert.deepEqual([failed.build, failed.failure.message], ['b1', message])
})

test('logBuilds() says which source a build is of, where sources have names', () => {
  const lines: string[] = []
  const builds = logBuilds(pino({ base: null }, { write: (line) => lines.push(line) }))
  const platform = platformOf('amd64')
  const request = { packages: ['git'], platform, shell: false, options: {} }
  const subject = { name: 'git', tag: 'latest', request, revision: 'r1' }
  for (const source of ['ours', '']) builds.observe('b1', { kind: 'started', ...subject, source })
  const facts = lines.map((line) => JSON.parse(line))
  assert.deepEqual(
    facts.map(({ msg, source, revision, packages }) => [msg, source, revision, packages]),
    [
      ['build started', 'ours', 'r1', ['git']],
      ['build started', undefined, 'r1', ['git']],
    ],
  )
})

test('logBuilds() makes no logger per event, and names the build in every line', () => {
  const lines: string[] = []
  const logger = pino({ level: 'debug', base: null }, { write: (line) => lines.push(line) })
  logger.child = () => assert.fail('there may be thousands of facts in a build')
  const builds = logBuilds(logger)
  builds.observe('b1', { kind: 'evaluated', derivations: 2 })
  builds.observe('b2', { kind: 'layer-reused', layer: 0, digest: 'sha256:x', sizeBytes: 1 })
  builds.observe('b3', {
    kind: 'realising',
    progress: { kind: 'build-log', derivation: '/d', line: 'x' },
  })
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).build),
    ['b1', 'b2', 'b3'],
  )
})

test('logBuilds() warns only of ends that nobody wanted', () => {
  const lines: string[] = []
  const formatters = { level: (level: string) => ({ level }) }
  const logger = pino({ base: null, formatters }, { write: (line) => lines.push(line) })
  const reasons = [
    new GivenUp('cancelled by whoever ordered it'),
    new DOMException('nobody waits', 'AbortError'),
    new OperatingError('NO_SPACE', 'cannot write'),
    new Error('broken'),
  ]
  for (const reason of reasons) logBuilds(logger).observe('b1', { kind: 'aborted', reason })
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).level),
    ['info', 'info', 'warn', 'warn'],
  )
})

test('describeError() says what happened, why, and what to do', () => {
  const cause = new Error('ENOSPC: no space left on device')
  assert.equal(
    describeError(new OperatingError('NO_SPACE', 'cannot write an upload', { cause })),
    'NO_SPACE: cannot write an upload: ENOSPC: no space left on device; free disk space where the store and the storage directory live',
  )
  assert.equal(describeError(new Error('plain')), 'plain')
  assert.equal(describeError('text'), 'text')
  const repeated = new Error('cannot open x: ENOENT', { cause: new Error('ENOENT') })
  assert.equal(describeError(repeated), 'cannot open x: ENOENT')
  const refused = new Error('connect ECONNREFUSED 127.0.0.1:9')
  const fetching = new TypeError('fetch failed', { cause: refused })
  assert.equal(describeError(fetching), 'connect ECONNREFUSED 127.0.0.1:9')
  const wordless = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
  assert.equal(describeError(new TypeError('fetch failed', { cause: wordless })), 'ECONNREFUSED')
  const unread = new Error(`x cannot be read: ${refused.message}`, { cause: fetching })
  assert.equal(describeError(unread), 'x cannot be read: connect ECONNREFUSED 127.0.0.1:9')
  const ring = new Error('ring')
  ring.cause = ring
  assert.equal(describeError(ring), 'ring')
})
