import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { findProgram } from '#adapters/process/find-program.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { startNixDaemon } from '#test/clients/nix-daemon.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { openNix } from './nix.ts'
import { probeSandbox } from './probe-sandbox.ts'

const noCaches = { substituters: [], trustedKeys: [] }
const signal = new AbortController().signal

const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--fork']
const skip =
  skipUnless(['nix-store', 'nix-daemon', 'unshare']) ||
  (spawnSync('unshare', [...namespaces, 'true']).status !== 0 &&
    'this machine allows no user and mount namespaces')

suite('probeSandbox()', { skip }, () => {
  test('finds builders shut in, also where the settings do not ask for it', async () => {
    for (const sandbox of ['true', 'false']) {
      const settings = new Map([['sandbox', sandbox]])
      const options = { inheritedEnvironment: process.env, settings, caches: noCaches }
      assert.deepEqual(await probeSandbox(options, signal), { kind: 'shut-in' })
    }
  })

  for (const fallback of ['true', 'false'])
    test(`finds that none can be made: sandbox-fallback = ${fallback}`, async () => {
      await using bin = await makeNixWithoutNamespaces()
      const settings = new Map([
        ['sandbox', 'true'],
        ['sandbox-fallback', fallback],
        // Of newer versions: what they cannot do here with or without a sandbox.
        ['require-drop-supplementary-groups', 'false'],
      ])
      const found = await probeSandbox(
        { inheritedEnvironment: process.env, settings, caches: noCaches, binDirectory: bin.path },
        signal,
      )
      // Later versions go on without a sandbox only where mount namespaces are missing.
      const goesOn = fallback === 'true' && (await isOldNix())
      assert.equal(found.kind, goesOn ? 'without' : 'fails')
      assert.match('message' in found ? found.message : '', /not permitted|user namespaces/)
    })

  test('takes a Nix that never had a sandbox for what it is', async () => {
    await using bin = await makeNixWithoutNamespaces()
    const settings = new Map([['sandbox', 'false']])
    const found = await probeSandbox(
      { inheritedEnvironment: process.env, settings, caches: noCaches, binDirectory: bin.path },
      signal,
    )
    assert.equal(found.kind, 'without')
  })

  test('does not take a Nix that hangs for one without a sandbox', async () => {
    await using bin = await makeNix('exec sleep 600')
    const probing = probeSandbox(
      { inheritedEnvironment: process.env, caches: noCaches, binDirectory: bin.path },
      AbortSignal.timeout(2_000),
    )
    await assert.rejects(probing, { name: 'TimeoutError' })
  })

  test('knows of a builder behind a daemon that it runs', async () => {
    await using scratch = await makeScratchDirectory()
    await using daemon = await startNixDaemon(scratch.path)
    const inheritedEnvironment = { ...process.env, NIX_REMOTE: `unix://${daemon.socket}` }
    const found = await probeSandbox({ inheritedEnvironment, caches: noCaches }, signal)
    assert.deepEqual(found, { kind: 'unknown' })
  })
})

async function isOldNix(): Promise<boolean> {
  const { installation } = await openNix({ inheritedEnvironment: process.env, caches: noCaches })
  return installation.version.startsWith('2.8.')
}

/** The Nix of this machine, where its builders may have no namespaces, as in most containers. */
function makeNixWithoutNamespaces() {
  const forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"'
  return makeNix(`exec unshare --user --map-root-user sh -c '${forbid}' "$nix" "$@"`)
}

/** The Nix of this machine, which builds by a line of shell that has it as `$nix`. */
async function makeNix(build: string) {
  const nixStore = await findProgram('nix-store', process.env['PATH'] ?? '')
  assert.ok(nixStore !== undefined)
  const scratch = await makeScratchDirectory()
  const wrapper = join(scratch.path, 'nix-store')
  await writeFile(
    wrapper,
    `#!/bin/sh
nix=${nixStore}
case $1 in
--realise) ${build} ;;
*) exec "$nix" "$@" ;;
esac
`,
  )
  await chmod(wrapper, 0o755)
  for (const name of ['nix', 'nix-instantiate'])
    await symlink(join(dirname(nixStore), name), join(scratch.path, name))
  return scratch
}
