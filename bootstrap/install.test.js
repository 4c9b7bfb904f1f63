import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from './project-root.js'

test('install.js says what to bring where there is no apt, and does not ask to run it', () => {
  const install = [join(projectRoot, 'bootstrap', 'install.js'), 'serve']
  const { status, stderr } = spawnSync(process.execPath, install, {
    env: { PATH: '/nowhere' },
    encoding: 'utf8',
  })
  assert.equal(status, 1)
  assert.match(stderr, /nix-store.* missing, and this machine has no apt-get\./)
  assert.match(stderr, /^ {2}nix-bin apt dpkg/m)
  assert.doesNotMatch(stderr, /apt-get install/)
})
