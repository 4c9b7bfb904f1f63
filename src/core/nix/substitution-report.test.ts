import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SubstitutionReport } from './substitution-report.ts'

const top = '/nix/store/qmgxsrbjbkmpl9rjgyv4dbrj0if9kpdv-top-1.0'
const other = '/nix/store/frf672ppl7ldipqbh02x54gacvw8ny1j-dep-1.0'

function reportOf(text: string): SubstitutionReport {
  const report = new SubstitutionReport()
  for (const line of text.split('\n')) report.accept(line)
  return report
}

test('SubstitutionReport lists what no cache has, not what will be fetched', () => {
  for (const note of ['', ' (may be caused by read-only store access)']) {
    const { missing, cacheFailure } = reportOf(
      `these 1 paths will be fetched (0.00 MiB download, 0.00 MiB unpacked):\n  ${other}\n` +
        `don't know how to build these paths${note}:\n  ${top}\n  not a path\n  ${other}`,
    )
    assert.deepEqual(missing, [top])
    assert.equal(cacheFailure, undefined)
  }
})

const failures: ReadonlyArray<readonly [string, 'unreachable' | 'untrusted' | undefined]> = [
  [
    "warning: unable to download 'http://127.0.0.1:9/nix-cache-info': Couldn't connect to server (7)",
    'unreachable',
  ],
  [
    "warning: error: unable to download 'http://c/x.narinfo': HTTP error 500; retrying in 251 ms",
    'unreachable',
  ],
  ["warning: 'http://127.0.0.1:8080' does not appear to be a binary cache", 'unreachable'],
  ["error: file 'nar/1xsj.nar.xz' does not exist in binary cache", 'unreachable'],
  [
    `warning: the substitute for '${top}' from 'file:///c' is not signed by any of the keys in 'trusted-public-keys'`,
    'untrusted',
  ],
  [
    `warning: ignoring substitute for '${top}' from 'file:///c', as it's not signed by any of the keys in 'trusted-public-keys'`,
    'untrusted',
  ],
  [`error: cannot add path '${top}' because it lacks a signature by a trusted key`, 'untrusted'],
  [
    "warning: ignoring untrusted substituter 'https://cache', you are not a trusted user.",
    'untrusted',
  ],
  ['copying path from', undefined],
]

for (const [line, kind] of failures) {
  test(`SubstitutionReport takes for ${kind}: ${line.slice(0, 60)}`, () => {
    const { cacheFailure } = reportOf(`first\n${line}\nlast`)
    assert.equal(cacheFailure?.kind, kind)
    assert.ok(!cacheFailure?.message.startsWith('warning:'))
  })
}
