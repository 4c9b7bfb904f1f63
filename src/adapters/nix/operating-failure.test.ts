import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findFullDisk, findOperatingFailure } from './operating-failure.ts'

const failures: readonly (readonly [string, string | undefined])[] = [
  ['error: writing to file: No space left on device', 'NO_SPACE'],
  ['note: build failure may have been caused by lack of free disk space', 'NO_SPACE'],
  ['error: executing SQLite statement: database or disk is full', 'NO_SPACE'],
  [
    "error: executing SQLite statement 'pragma synchronous = normal': disk I/O error (in '/nix/var/nix/db/db.sqlite')",
    'NIX_FAILED',
  ],
  ["error: opening lock file '/nix/var/nix/db/big-lock': Permission denied", 'NO_PERMISSION'],
  ["error: creating directory '/nix/store/x': Read-only file system", 'NO_PERMISSION'],
  [
    "error: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not permitted",
    'NO_PERMISSION',
  ],
  ["error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket'", 'NIX_FAILED'],
  ['\u001B[31;1merror:\u001B[0m cannot connect to daemon', 'NIX_FAILED'],
  ['error: This version of Nixpkgs requires Nix >= 2.18, please upgrade:', undefined],
  ['   > tar: write error: No space left on device', undefined],
  ["warning: the group 'nixbld' specified in 'build-users-group' does not exist", undefined],
  ["error: the group 'nixbld' specified in 'build-users-group' does not exist", 'NIX_FAILED'],
  ["error: the build users group 'nixbld' has no members", 'NIX_FAILED'],
  ["error: getting status of '/set/build-users-group': No such file or directory", undefined],
  ["error: attribute 'cannot connect to daemon' missing", undefined],
  ["error: getting status of '/set/database or disk is full': Not a directory", undefined],
  ["error: opening file '/etc/shadow': Permission denied", undefined],
  ["error: builder for '/nix/store/x.drv' failed with exit code 1", undefined],
]

for (const [line, code] of failures) {
  test(`findOperatingFailure() gives ${code} for ${line.slice(0, 60)}`, () => {
    assert.equal(findOperatingFailure(`first\n${line}\nlast\n`)?.code, code)
  })
}

test('findFullDisk() sees it in the last lines of a builder', () => {
  const failure = findFullDisk('jq-1.6', [
    'unpacking',
    'tar: write: No space left on device',
    'stop',
  ])
  assert.equal(failure?.code, 'NO_SPACE')
  assert.match(failure.message, /^the builder of jq-1\.6 said: tar/)
  assert.equal(findFullDisk('jq-1.6', ['unpacking', 'plenty of space left']), undefined)
})
