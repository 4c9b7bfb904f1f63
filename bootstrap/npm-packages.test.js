import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { npmPackagesAreCurrent } from './npm-packages.js'

const wanted = {
  '': { name: 'project' },
  'node_modules/one': { version: '1.0.0', integrity: 'sha512-one' },
  'node_modules/other-platform': { version: '1.0.0', optional: true },
}
const installed = { 'node_modules/one': wanted['node_modules/one'] }

const cases = [
  { name: 'accepts what the lock file names', installed, expected: true },
  { name: 'refuses a missing package', installed: {}, expected: false },
  {
    name: 'refuses another version',
    installed: { 'node_modules/one': { version: '1.0.1', integrity: 'sha512-one' } },
    expected: false,
  },
  {
    name: 'refuses another content',
    installed: { 'node_modules/one': { version: '1.0.0', integrity: 'sha512-two' } },
    expected: false,
  },
  { name: 'refuses an installation that did not end', installed: undefined, expected: false },
  { name: 'refuses an installation without Node', installed, node: false, expected: false },
]

for (const { name, installed, node = true, expected } of cases) {
  test(`npmPackagesAreCurrent() ${name}`, (t) => {
    const root = mkdtempSync(join(tmpdir(), 'nixery-npm-'))
    t.after(() => rmSync(root, { recursive: true }))
    mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true })
    writePackages(join(root, 'package-lock.json'), wanted)
    if (installed !== undefined) {
      writePackages(join(root, 'node_modules', '.package-lock.json'), installed)
    }
    if (node) writeFileSync(join(root, 'node_modules', '.bin', 'node'), '')
    assert.equal(npmPackagesAreCurrent(root), expected)
  })
}

function writePackages(path, packages) {
  writeFileSync(path, JSON.stringify({ packages }))
}
