import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildBundle, outdatedBundles } from './build-pages.js'

/** Copies its input, unless that says to fail. */
const copy = `
  const { cpSync, readFileSync, writeFileSync } = require('node:fs')
  const [output] = process.argv.slice(1)
  const text = readFileSync('pages/one.md', 'utf8')
  if (text === 'fail') throw new Error('no such page')
  writeFileSync(output + '/one.html', text)`
const bundle = {
  name: 'pages',
  inputs: ['pages', 'style.css'],
  command: (output) => ['--eval', copy, output],
}

test('buildBundle() makes the output, which stays current until an input changes', (t) => {
  const { root, write, built } = makeProject(t)
  assert.deepEqual(outdatedBundles(root, [bundle]), [bundle])
  assert.deepEqual(buildBundle(bundle, root), { ok: true })
  assert.equal(built(), 'one')
  assert.deepEqual(outdatedBundles(root, [bundle]), [])
  for (const path of ['pages/one.md', 'pages/more/two.md', 'style.css']) {
    write(path, `other ${path}`)
    assert.deepEqual(outdatedBundles(root, [bundle]), [bundle], path)
    assert.deepEqual(buildBundle(bundle, root), { ok: true })
  }
  assert.equal(built(), 'other pages/one.md')
})

test('buildBundle() leaves what was there when it fails', (t) => {
  const { root, write, built } = makeProject(t)
  buildBundle(bundle, root)
  write('pages/one.md', 'fail')
  const result = buildBundle(bundle, root)
  assert.equal(result.ok, false)
  assert.match(result.reason, /no such page/)
  assert.equal(built(), 'one')
  assert.deepEqual(outdatedBundles(root, [bundle]), [bundle])
})

test('outdatedBundles() names one whose output was removed, and none whose inputs are not there', (t) => {
  const { root } = makeProject(t)
  buildBundle(bundle, root)
  rmSync(join(root, 'dist', 'pages'), { recursive: true })
  assert.deepEqual(outdatedBundles(root, [bundle]), [bundle])
  rmSync(join(root, 'style.css'))
  assert.deepEqual(outdatedBundles(root, [bundle]), [])
})

test('outdatedBundles() looks at no link to nowhere, as editors make them', (t) => {
  const { root } = makeProject(t)
  buildBundle(bundle, root)
  symlinkSync('somebody@host.1', join(root, 'pages', '.#one.md'))
  assert.deepEqual(outdatedBundles(root, [bundle]), [])
})

function makeProject(t) {
  const root = mkdtempSync(join(tmpdir(), 'nixery-build-'))
  t.after(() => rmSync(root, { recursive: true }))
  const write = (path, text) => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  write('pages/one.md', 'one')
  write('style.css', '')
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true })
  symlinkSync(process.execPath, join(root, 'node_modules', '.bin', 'node'))
  const built = () => readFileSync(join(root, 'dist', 'pages', 'one.html'), 'utf8')
  return { root, write, built }
}
