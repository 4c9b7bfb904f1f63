import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { openNix, parseNixVersion } from './nix.ts'

test('parseNixVersion() reads Nix and its forks, and refuses what is too old', () => {
  assert.equal(parseNixVersion('nix-store (Nix) 2.8.0\n'), '2.8.0')
  assert.equal(parseNixVersion('nix-store (Nix) 2.35.0pre20261101_abc\n'), '2.35.0pre20261101_abc')
  assert.equal(parseNixVersion('nix-store (Lix, like Nix) 2.93.3\n'), '2.93.3')
  assert.equal(parseNixVersion('nix-store (Determinate Nix 3.8.1) 2.30.1\n'), '2.30.1')
  assert.throws(() => parseNixVersion('nix-store (Nix) 2.3.16\n'), { code: 'NIX_TOO_OLD' })
  assert.throws(() => parseNixVersion('segmentation fault\n'), { code: 'NIX_FAILED' })
})

test(
  'openNix() asks for the version also as a user who may not open the store',
  { skip: skipUnless(['nix-store']) },
  async () => {
    await using bin = await makeScratchDirectory()
    const wrapper = join(bin.path, 'nix-store')
    await writeFile(
      wrapper,
      `#!/bin/sh
PATH=${process.env['PATH']} NIX_STATE_DIR=/proc/none exec nix-store "$@"
`,
    )
    await chmod(wrapper, 0o755)
    // Such users reach it through a daemon, which nobody asks here.
    const inheritedEnvironment = { NIX_REMOTE: 'daemon' }
    const nix = await openNix({ binDirectory: bin.path, inheritedEnvironment })
    assert.match(nix.installation.version, /^\d+\.\d+/)
  },
)
