import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bundles } from './build-pages.js'
import { projectRoot } from './project-root.js'

const nixery = join(projectRoot, 'bootstrap', 'nixery.js')

for (const line of ['--version', 'doctor --help', 'watch --help', 'build --help']) {
  test(`nixery ${line} runs on a machine without Nix`, () => {
    const { status, stderr } = run([nixery, ...line.split(' ')], { PATH: '/nowhere' })
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  })
}

test('nixery build wants Nix before it begins', () => {
  const { status, stderr } = run([nixery, 'build', 'shell'], { PATH: '/nowhere' })
  assert.equal(status, 1)
  assert.match(stderr, /^set-up: nix-instantiate, nix-store/)
})

test('nixery serves from a checkout of somebody else, with the pages that are there', (t) => {
  const root = makeForeignCheckout(t, { packages: {} })
  const { status, stdout, stderr } = run([join(root, 'bootstrap', 'nixery.js'), 'serve'])
  assert.match(stderr, /^set-up: pages stay as they are: .*\n {2}cd .* && npm run set-up\n$/)
  assert.deepEqual({ status, stdout }, { status: 0, stdout: 'served\n' })
})

test('nixery says who brings what a checkout of somebody else lacks', (t) => {
  const root = makeForeignCheckout(t, undefined)
  const { status, stderr } = run([join(root, 'bootstrap', 'nixery.js'), 'doctor'])
  assert.equal(status, 1)
  assert.match(
    stderr,
    /^set-up: node_modules .* As (root|user \d+), please run:\n {2}cd .* && npm run set-up\n$/,
  )
})

/** A checkout that nobody may write to: all that the service needs, and pages that were not built. */
function makeForeignCheckout(t, installed) {
  const root = mkdtempSync(join(tmpdir(), 'nixery-foreign-'))
  t.after(() => {
    chmodSync(root, 0o755)
    rmSync(root, { recursive: true })
  })
  cpSync(join(projectRoot, 'bootstrap'), join(root, 'bootstrap'), { recursive: true })
  const inputs = bundles.flatMap((bundle) => bundle.inputs)
  for (const folder of ['node_modules/.bin', ...inputs.filter((path) => !path.endsWith('.json'))])
    mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'package-lock.json'), '{ "packages": {} }')
  writeFileSync(join(root, 'node_modules/.bin/node'), '#!/bin/sh\necho served', { mode: 0o755 })
  if (installed !== undefined)
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify(installed))
  for (const folder of ['node_modules', '.']) chmodSync(join(root, folder), 0o555)
  return root
}

/** Runs Node as somebody who obeys the modes of files, which root does only without these capabilities. */
function run(arguments_, environment = {}) {
  const node = [process.execPath, ...arguments_]
  const [command, ...rest] =
    process.getuid() === 0
      ? ['/usr/bin/setpriv', '--bounding-set=-dac_override,-dac_read_search', ...node]
      : node
  return spawnSync(command, rest, {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })
}
