import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageFailure } from '#core/nix/package-outcome.ts'
import { operatingErrors, OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import { failureRefusal, failureStatuses, operatingRefusal } from './failure-refusal.ts'

test('no failure has a status that docker hides or that container runtimes repeat', () => {
  for (const { status } of Object.values(failureStatuses)) {
    assert.ok(status >= 400 && status < 500 && status !== 408 && status !== 429, `${status}`)
  }
})

test('failureRefusal() says what a person can do, on one line', () => {
  const message = (failure: Parameters<typeof failureRefusal>[0]) =>
    failureRefusal(failure, 'b1').message
  assert.equal(
    message({
      kind: 'packages',
      failures: [{ kind: 'not-found', package: 'shell', nearNames: ['shelr'] }],
    }),
    'no package is called shell; the meta-package shell goes before all packages (build b1)',
  )
  assert.equal(
    message({
      kind: 'packages',
      failures: [{ kind: 'ambiguous', package: 'x', candidates: ['X', 'x_', 'xX'] }],
    }),
    'x may mean X, x_ or xX, which registry names cannot tell apart: ask for a package whose name is unique without regard to case (build b1)',
  )
  assert.equal(
    message({ kind: 'build-failed', name: 'git-2', message: 'exit code 2', logTail: [] }),
    'git-2 failed to build: exit code 2 (build b1)',
  )
  const logTail = ['cc: fatal error', 'make: *** [all] Error 1', ' ']
  assert.equal(
    message({ kind: 'build-failed', name: 'git-2', message: 'exit code 2', logTail }),
    'git-2 failed to build: exit code 2, after saying: make: *** [all] Error 1 (build b1)',
  )
  assert.match(
    message({ kind: 'source-unavailable', name: 'git-2', message: 'HTTP error 404', logTail }),
    /^the source of git-2 cannot be downloaded, .*: HTTP error 404 \(build b1\)$/,
  )
  assert.equal(
    message({ kind: 'not-substitutable', missing: ['git-2', 'jq-1'], total: 5 }),
    "git-2, jq-1 and 3 more are in none of this registry's binary caches, and it does not build from source: ask for packages that are there (build b1)",
  )
  assert.match(
    message({ kind: 'not-substitutable', missing: ['git-2'], total: 1 }),
    /^git-2 is in none of /,
  )
  const long = message({
    kind: 'build-failed',
    name: 'git-2',
    message: 'x'.repeat(10_000),
    logTail: [],
  })
  assert.ok(long.length < 1100 && long.endsWith('… (build b1)'))
})

const packageFailures: readonly (readonly [readonly PackageFailure[], string])[] = [
  [
    [
      { kind: 'evaluation-error', package: 'git', message: 'syntax error (default.nix:3:5)' },
      { kind: 'not-found', package: 'jq', nearNames: [] },
      { kind: 'evaluation-error', package: 'htop', message: 'syntax error (default.nix:3:5)' },
    ],
    'git and htop cannot be evaluated: syntax error (default.nix:3:5); no package is called jq',
  ],
  [
    ['bashinteractive', 'coreutils', 'jq', 'nano'].map((name) => ({
      kind: 'not-found',
      package: name,
      nearNames: [],
    })),
    'the package set has no bashinteractive, coreutils or nano, and shell stands for bashinteractive, coreutils, moreutils and nano; no package is called jq',
  ],
  [
    ['bashinteractive', 'coreutils', 'moreutils', 'nano'].map((name) => ({
      kind: 'not-found',
      package: name,
      nearNames: [],
    })),
    'the package set has no bashinteractive, coreutils, moreutils or nano, which is what shell stands for: ask for an image without shell',
  ],
  [
    [{ kind: 'not-a-derivation', package: 'lib', valueType: 'set' }],
    'lib is not a package but a set: name a package inside it, such as lib.<name>',
  ],
  [
    [{ kind: 'not-a-derivation', package: 'f', valueType: 'lambda' }],
    'f is not a package but a function',
  ],
  [[{ kind: 'not-a-derivation', package: 'n', valueType: 'int' }], 'n is not a package but an int'],
  [[{ kind: 'not-a-derivation', package: 'n', valueType: 'null' }], 'n is not a package but null'],
]

for (const [failures, message] of packageFailures) {
  test(`failureRefusal() says "${message}"`, () => {
    const refusal = failureRefusal({ kind: 'packages', failures }, 'b1')
    assert.equal(refusal.message, `${message} (build b1)`)
  })
}

test('failureRefusal() keeps the trace for the log', () => {
  const failure = {
    kind: 'evaluation-error',
    package: 'x',
    message: 'no',
    trace: ['while'],
  } as const
  const refusal = failureRefusal({ kind: 'packages', failures: [failure] }, 'b1')
  assert.doesNotMatch(JSON.stringify(refusal), /while/)
})

test('operatingRefusal() tells strangers the code and nothing of this machine', () => {
  for (const code of Object.keys(operatingErrors) as OperatingCode[]) {
    const cause = new Error('cannot open /var/lib/nixery')
    const { message } = operatingRefusal(new OperatingError(code, '/nix/store/x', { cause }))
    assert.equal(message, `${code}: ${operatingErrors[code].summary}`)
    assert.doesNotMatch(message, /\/(?:nix|var)/)
  }
})
