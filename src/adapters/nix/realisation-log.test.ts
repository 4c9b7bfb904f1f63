import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RealiseProgress } from '#engine/ports/package-builder.ts'
import { RealisationLog } from './realisation-log.ts'

const bad = '/nix/store/7mvc5zw98gkk8a2skslz2hmisqcx5czv-bad-1.0.drv'
const top = '/nix/store/9lsww1almxbhk6jj0b1qsmawxzivwc6a-top.drv'

interface Run {
  readonly log: RealisationLog
  readonly progress: readonly RealiseProgress[]
}

/** A log that was given these records. */
function logOf(...records: readonly object[]): Run {
  const progress: RealiseProgress[] = []
  const log = new RealisationLog((it) => progress.push(it))
  for (const record of records) log.accept(`@nix ${JSON.stringify(record)}`)
  return { log, progress }
}

const start = (id: number, type: number, ...fields: readonly (string | number)[]) => ({
  action: 'start',
  id,
  type,
  fields,
})
const result = (id: number, type: number, ...fields: readonly (string | number)[]) => ({
  action: 'result',
  id,
  type,
  fields,
})
const stop = (id: number) => ({ action: 'stop', id })
const error = (text: string) => ({ action: 'msg', level: 0, msg: `error: ${text}`, raw_msg: text })
const warning = (text: string) => ({ action: 'msg', level: 1, msg: `warning: error: ${text}` })

test('RealisationLog tells of builds and of downloaded paths', () => {
  const { progress } = logOf(
    start(1, 105, bad, '', 1, 1),
    result(1, 101, 'compiling'),
    stop(1),
    start(2, 108, '/nix/store/x', 'https://cache'),
    stop(2),
    stop(99),
  )
  assert.deepEqual(progress, [
    { kind: 'build-started', derivation: bad, name: 'bad-1.0' },
    { kind: 'build-log', derivation: bad, line: 'compiling' },
    { kind: 'build-finished', derivation: bad, name: 'bad-1.0' },
    { kind: 'substitute-started', path: '/nix/store/x', from: 'https://cache' },
    { kind: 'substitute-finished', path: '/nix/store/x' },
  ])
})

test('RealisationLog keeps the credentials of a cache to itself', () => {
  const { progress } = logOf(start(2, 108, '/nix/store/x', 'https://me:secret@cache?token=1'))
  assert.deepEqual(progress, [
    { kind: 'substitute-started', path: '/nix/store/x', from: 'https://cache' },
  ])
})

test('RealisationLog adds up builds and transfers, and forgets no bytes when a transfer ends', () => {
  const MiB = 1024 * 1024
  const { progress } = logOf(
    start(1, 102),
    start(2, 104),
    result(2, 105, 0, 2, 0, 0),
    result(1, 106, 101, 10 * MiB),
    start(3, 101, 'https://cache/nar'),
    result(3, 105, 4 * MiB, 6 * MiB, 0, 0),
    result(3, 105, 4 * MiB + 1, 6 * MiB, 0, 0),
    result(3, 105, 6 * MiB, 6 * MiB, 0, 0),
    stop(3),
    start(4, 101, 'https://cache/other'),
    result(4, 105, 1 * MiB, 9 * MiB, 0, 0),
    result(2, 105, 1, 2, 0, 0),
  )
  const totals = progress.filter((it) => it.kind === 'totals')
  assert.deepEqual(totals.at(-1), {
    kind: 'totals',
    buildsDone: 1,
    buildsExpected: 2,
    downloadedBytes: 7 * MiB,
    downloadExpectedBytes: 15 * MiB,
  })
  const downloaded = totals.map((it) => it.downloadedBytes)
  assert.deepEqual(
    downloaded,
    [...downloaded].sort((a, b) => a - b),
  )
  assert.ok(!downloaded.includes(4 * MiB + 1), 'a single byte is not worth an event')
})

const noBuilderFor = (architecture: string) =>
  `this registry has no builder for ${architecture}: its operator adds one with NIXERY_BUILDERS, or emulation (binfmt and extra-platforms of nix.conf); a package that is not for ${architecture} says so in meta.platforms`

const failures: readonly (readonly [string, string, string])[] = [
  // Nix 2.8 to 2.30.
  [
    `builder for '${bad}' failed with exit code 3;\n last 10 log lines:\n> no`,
    'build-failed',
    'its builder failed with exit code 3',
  ],
  [
    `building of '${bad}!out' from .drv file timed out after 60 seconds`,
    'build-timed-out',
    'its builder was stopped after 60 seconds',
  ],
  [
    `building of '${bad}^*' timed out after 60 seconds of silence`,
    'build-timed-out',
    'its builder was stopped after 60 seconds of silence',
  ],
  [
    `building of '${bad}!out' from .drv file killed after writing more than 99 bytes of log output`,
    'build-failed',
    'its builder wrote more than 99 bytes of log',
  ],
  [
    `hash mismatch in fixed-output derivation '${bad}':\n  specified: sha256-A\n     got:    sha256-B`,
    'build-failed',
    'its source is not what the package set names: specified: sha256-A got: sha256-B',
  ],
  [
    `a 'riscv64-linux' with features {} is required to build '${bad}', but I am a 'x86_64-linux'`,
    'build-failed',
    noBuilderFor("'riscv64-linux'"),
  ],
  [
    `a 'aarch64-linux' with features {} is required to build '${bad}', but I am a 'x86_64-linux' with features {benchmark}`,
    'build-failed',
    noBuilderFor('arm64'),
  ],
  [
    `a 'x86_64-linux' with features {far} is required to build '${bad}', but I am a 'x86_64-linux' with features {benchmark}`,
    'build-failed',
    'it requires the features {far}, which no builder of this registry has',
  ],
  // Later ones.
  [
    `Cannot build '${bad}'.\n       Reason: builder failed with exit code 3.\n       Last 25 log lines:\n       > no`,
    'build-failed',
    'its builder failed with exit code 3.',
  ],
  [
    `Cannot build '${bad}'.\n       Reason: platform mismatch\n       Required system: 'riscv64-linux'\n       Current system: 'x86_64-linux'`,
    'build-failed',
    noBuilderFor("'riscv64-linux'"),
  ],
  [
    `Cannot build '${bad}'.\nReason: missing system features\nRequired features: {far}\nAvailable features: {kvm}`,
    'build-failed',
    'it requires the features {far}, which no builder of this registry has',
  ],
  [
    `building derivation '${bad}' killed after writing more than 99 bytes of log output`,
    'build-failed',
    'its builder wrote more than 99 bytes of log',
  ],
  [
    `Cannot build '${bad}'.\n       Reason: builder timed out after 60 seconds of silence.`,
    'build-timed-out',
    'its builder was stopped after 60 seconds of silence',
  ],
]

for (const [text, kind, message] of failures) {
  test(`RealisationLog finds the cause in "${text.slice(0, 20)}… ${message}"`, () => {
    const { log } = logOf(
      start(1, 105, bad),
      result(1, 101, 'last words'),
      error(`1 dependencies of derivation '${top}' failed to build`),
      error(`Cannot build '${top}'.\n       Reason: 1 dependency failed.`),
      error(text),
      error(`build of '${top}' failed`),
    )
    assert.deepEqual(log.failure(), { kind, name: 'bad-1.0', message, logTail: ['last words'] })
  })
}

test('RealisationLog knows whose time was over where Nix 2.34 does not say it', () => {
  const { log } = logOf(
    start(9, 104),
    start(1, 105, top),
    start(2, 105, bad),
    result(2, 101, 'last words'),
    result(9, 105, 0, 2, 1, 1),
    stop(2),
    stop(1),
    error('timed out after 60 seconds'),
    error(`Cannot build '${top}'.\nReason: 1 dependency failed.`),
  )
  assert.deepEqual(log.failure(), {
    kind: 'build-timed-out',
    name: 'bad-1.0',
    message: 'its builder was stopped after 60 seconds',
    logTail: ['last words'],
  })
})

test('RealisationLog tells a failed download from a failed build', () => {
  const missing = "unable to download 'https://mirror/bad.deb': HTTP error 404"
  const failed = error(`builder for '${bad}' failed with exit code 1`)
  const byNix = logOf(start(1, 105, bad), warning(missing), failed).log.failure()
  assert.deepEqual(byNix, {
    kind: 'source-unavailable',
    name: 'bad-1.0',
    message: missing,
    logTail: [],
  })
  const fetchurl = 'error: cannot download bad.tar.gz from any mirror'
  const byNixpkgs = logOf(start(1, 105, bad), result(1, 101, fetchurl), failed).log.failure()
  assert.equal(byNixpkgs?.kind, 'source-unavailable')
  for (const path of ['nix-cache-info', '7mvc5zw98gkk.narinfo', 'nar/1xsj.nar.xz']) {
    const down = warning(`unable to download 'https://cache/${path}': HTTP error 500`)
    const afterwards = logOf(down, start(1, 105, bad), failed).log.failure()
    assert.equal(afterwards?.kind, 'build-failed', path)
  }
})

test('RealisationLog tells no logins of addresses', () => {
  const failed = error(`builder for '${bad}' failed with exit code 1`)
  const secret = 'https://user:secret@mirror/bad.deb?token=secret'
  const download = warning(`unable to download '${secret}': HTTP error 404`)
  const mismatch = error(
    `hash mismatch in fixed-output derivation '${bad}':\n  likely URL: ${secret}\n  got: sha256-A=`,
  )
  for (const lines of [[download, failed], [mismatch]]) {
    const { message = '' } = logOf(start(1, 105, bad), ...lines).log.failure() ?? {}
    assert.match(message, /https:\/\/mirror\/bad\.deb/)
    assert.ok(!message.includes('secret'), message)
  }
})

test('RealisationLog keeps the last 25 lines of each builder apart', () => {
  const lines = Array.from({ length: 30 }, (_, index) => result(1, 101, `line ${index}`))
  const { log } = logOf(
    start(1, 105, bad),
    start(2, 105, top),
    ...lines,
    result(2, 101, 'of another'),
    error(`builder for '${bad}' failed with exit code 1`),
  )
  assert.equal(log.failure()?.logTail.length, 25)
  assert.equal(log.failure()?.logTail[0], 'line 5')
})

test('RealisationLog knows no failure where Nix names no builder', () => {
  const { log } = logOf(error('cannot connect to daemon'))
  assert.equal(log.failure(), undefined)
  assert.deepEqual(log.errors, ['cannot connect to daemon'])
})

test('RealisationLog takes no warning for an error', () => {
  const { log } = logOf(
    { action: 'msg', level: 0, msg: "warning: the group 'nixbld' does not exist" },
    error('the end'),
  )
  assert.deepEqual(log.errors, ['the end'])
})
