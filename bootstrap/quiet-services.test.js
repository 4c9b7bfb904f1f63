import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from './project-root.js'

const cases = [
  { command: ['invoke-rc.d', 'docker', 'start'], exitCode: 0 },
  { command: ['deb-systemd-invoke', 'start', 'docker.service'], exitCode: 0 },
  // A unit that was not enabled is not enabled by its package either.
  { command: ['deb-systemd-helper', '--quiet', 'was-enabled', 'docker.service'], exitCode: 1 },
]

for (const { command, exitCode } of cases) {
  test(`${command.join(' ')} exits with ${exitCode} during an installation`, () => {
    const [name, ...arguments_] = command
    const result = spawnSync(join(projectRoot, 'bootstrap', 'quiet-services', name), arguments_)
    assert.equal(result.status, exitCode)
  })
}
