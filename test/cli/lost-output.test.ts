/* oxlint-disable no-control-regex -- they are what a terminal obeys */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { nixeryCommand, runNixery } from './run-nixery.ts'

const inShell = (script: string, env: NodeJS.ProcessEnv = {}) =>
  runCommand('bash', ['-c', `set -o pipefail; ${script}`, ...nixeryCommand], { env })

test('output that cannot be written is one line, and no success', async () => {
  const { exitCode, stderr } = await inShell('"$0" "$1" --help > /dev/full')
  assert.equal(exitCode, 1)
  assert.match(stderr, /^nixery: the output cannot be written: ENOSPC[^\n]*\n$/)
})

test('output that nobody reads ends a command without a word', async () => {
  const { exitCode, stderr } = await inShell('(sleep 0.1; exec "$0" "$1" --help) | true')
  assert.deepEqual([exitCode, stderr], [1, ''])
})

test(
  'output that is read no further ends a build without a word',
  { skip: skipUnless(['nix-store', 'setpriv']) },
  async () => {
    await using scratch = await makeScratchDirectory()
    const env = {
      NIXERY_STATE_DIRECTORY: await prepareStateDirectory(),
      STORAGE_PATH: join(scratch.path, 'storage'),
    }
    const { exitCode, stdout, stderr } = await inShell(
      '"$0" "$1" build hello --json | head -1',
      env,
    )
    assert.deepEqual([exitCode, stderr], [1, ''])
    assert.ok(stdout.startsWith('{'), stdout)
  },
)

test('an error is one line, whatever others have put into it', async () => {
  await using scratch = await makeScratchDirectory()
  const STORAGE_PATH = join(scratch.path, 'a\u001B[2J')
  const file = await runCommand('touch', [STORAGE_PATH])
  assert.equal(file.exitCode, 0)
  const { exitCode, stderr } = await runNixery(['gc'], { STORAGE_PATH })
  assert.equal(exitCode, 1)
  assert.match(stderr, /nixery: /)
  assert.doesNotMatch(stderr, /\u001B/)
})
