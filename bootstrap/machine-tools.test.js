import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findCommand, isPresent, obstacleOf, purposeOf } from './machine-tools.js'

test('findCommand() finds only what may be executed', (t) => {
  const folder = useFolderInPath(t)
  writeFileSync(join(folder, 'nixery-probe'), '')
  assert.equal(findCommand('nixery-probe'), undefined)
  chmodSync(join(folder, 'nixery-probe'), 0o755)
  assert.equal(findCommand('nixery-probe'), join(folder, 'nixery-probe'))
})

const purposes = {
  serve: 'serve',
  'build shell/git': 'build',
  'build --help': 'command',
  'search git': 'build',
  'search --complete -- git': undefined,
  doctor: 'command',
  // Purposes that are no commands bring nothing.
  test: 'command',
  '': 'command',
}
for (const [line, purpose] of Object.entries(purposes)) {
  test(`purposeOf() gives ${purpose} for nixery ${line}`, () => {
    assert.equal(purposeOf(line.split(' ')), purpose)
  })
}

test('isPresent() wants every command, file and library of a tool', (t) => {
  const folder = useFolderInPath(t)
  const file = join(folder, 'nixery-probe')
  const tool = { commands: ['nixery-probe'], files: [file], libraries: ['libc.so.6'] }
  assert.equal(isPresent(tool), false)
  writeFileSync(file, '', { mode: 0o755 })
  assert.equal(isPresent(tool), true)
  assert.equal(isPresent({ ...tool, files: [file, join(folder, 'absent')] }), false)
  assert.equal(isPresent({ ...tool, libraries: ['libabsent.so.1'] }), false)
})

test('isPresent() does not look for what is not needed', () => {
  assert.equal(isPresent({ files: ['/absent'], isNeeded: () => false }), true)
})

test('obstacleOf() names what must not be competed with or overwritten', (t) => {
  const folder = useFolderInPath(t)
  const file = join(folder, 'nixery-probe')
  const byCommand = { unless: { commands: ['nixery-probe'], files: [] } }
  const byFile = { unless: { commands: [], files: [file] } }
  assert.equal(obstacleOf(byCommand), undefined)
  assert.equal(obstacleOf(byFile), undefined)
  writeFileSync(file, '', { mode: 0o755 })
  assert.equal(obstacleOf(byCommand), file)
  assert.equal(obstacleOf(byFile), file)
  assert.equal(obstacleOf({}), undefined)
})

function useFolderInPath(t) {
  const folder = mkdtempSync(join(tmpdir(), 'nixery-tools-'))
  const path = process.env.PATH
  process.env.PATH = `${folder}:${path}`
  t.after(() => {
    process.env.PATH = path
    rmSync(folder, { recursive: true })
  })
  return folder
}
