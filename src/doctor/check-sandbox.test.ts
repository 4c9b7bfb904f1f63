import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SandboxProbe } from '#adapters/nix/probe-sandbox.ts'
import { describeSandbox } from './check-sandbox.ts'

const message = 'cloning builder process: Operation not permitted'
const probes = {
  'shut-in': { kind: 'shut-in' },
  unknown: { kind: 'unknown' },
  without: { kind: 'without', message },
  fails: { kind: 'fails', message },
} satisfies Record<SandboxProbe['kind'], SandboxProbe>

const cases: ReadonlyArray<
  readonly [found: SandboxProbe['kind'], sandbox: string, level: string, said: RegExp, mend: RegExp]
> = [
  ['shut-in', 'true', 'ok', /one was tried/, /^$/],
  ['unknown', 'true', 'ok', /only the daemon knows/, /^$/],
  ['without', 'true', 'warn', /builds without: cloning/, /^let the service make/],
  ['fails', 'true', 'fail', /no builder can start: cloning/, /or set sandbox = false/],
  ['shut-in', 'false', 'warn', /see the machine/, /^set sandbox = true in nix.conf$/],
  ['unknown', 'false', 'warn', /see the machine/, /^set sandbox = true in nix.conf$/],
  ['without', 'false', 'warn', /see the machine/, /^let the service.*Nix says now: cloning/],
  ['fails', 'false', 'fail', /no builder can start: cloning/, /^mend what Nix names$/],
  ['shut-in', 'relaxed', 'warn', /may leave their sandbox/, /^set sandbox = true in nix.conf$/],
  ['without', 'relaxed', 'warn', /may leave their sandbox/, /^let the service make/],
]

for (const [found, sandbox, level, said, mend] of cases)
  test(`describeSandbox() of ${found} and sandbox = ${sandbox}`, () => {
    // A daemon need not have read what the file says of the fallback.
    const settings = new Map([
      ['sandbox', sandbox],
      ['sandbox-fallback', 'false'],
    ])
    const finding = describeSandbox(probes[found], settings)
    assert.equal(finding.level, level)
    assert.match(finding.message, said)
    assert.match(finding.mend ?? '', mend)
  })
