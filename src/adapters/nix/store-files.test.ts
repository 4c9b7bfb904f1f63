import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { promisify } from 'node:util'

import { findProgram } from '#adapters/process/find-program.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import type { StoreFiles } from '#engine/ports/store-files.ts'
import { createStoreFiles } from './store-files.ts'

const run = promisify(execFile)
const program = await findProgram('nix-store', process.env['PATH'] ?? '')

describe('createStoreFiles()', { skip: program ? false : 'there is no nix-store' }, () => {
  let files: StoreFiles
  let other: StorePath
  let path: StorePath

  before(async () => {
    other = await addToStore('other', async (directory) => {
      await mkdir(join(directory, 'share'))
      await writeFile(join(directory, 'share/text'), 'text')
    })
    path = await addToStore('links', async (directory) => {
      const link = (name: string, target: string) => symlink(target, join(directory, 'bin', name))
      await mkdir(join(directory, 'bin'))
      await mkdir(join(directory, 'nix-support'))
      await writeFile(join(directory, 'bin/program'), '')
      await writeFile(Buffer.from(`${directory}/bin/caf\u00e9`, 'latin1'), '')
      await link('same', 'program')
      await link('above', '../bin/program')
      await link('chain', 'same')
      await link('other-directory', `${other}/share`)
      await link('other-file', `${other}/share/text`)
      await link('through', 'other-directory/text')
      await link('missing', 'nothing')
      await link('missing-path', '/nix/store/00000000000000000000000000000000-x/bin')
      await link('below-file', 'program/x')
      await link('loop', 'loop')
      await link('outside', '/etc/passwd')
      await link('climbing', '../../../../etc//./passwd')
      await link('store', '/nix/store')
      await writeFile(
        join(directory, 'nix-support/propagated-user-env-packages'),
        `${other} ${other}/share\n\n  /etc\n`,
      )
    })
    files = createStoreFiles(new Set([path, other]))
  })

  test('list() and propagated() see nothing of the store beside the closure', async () => {
    const alone = createStoreFiles(new Set([path]))
    const entries = await alone.list(`${path}/bin`)
    assert.deepEqual(
      entries.filter(({ name }) => ['other-directory', 'other-file', 'through'].includes(name)),
      [
        { name: 'other-directory', kind: 'dangling' },
        { name: 'other-file', kind: 'dangling' },
        { name: 'through', kind: 'dangling' },
      ],
    )
    assert.deepEqual(await alone.list(`${other}/share`), [])
    assert.deepEqual(await alone.propagated(path), [])
  })

  test('list() follows links inside the store and tells where each name leads', async () => {
    assert.deepEqual(await files.list(`${path}/bin`), [
      { name: 'above', kind: 'file' },
      { name: 'below-file', kind: 'dangling' },
      { name: 'caf\u00e9', kind: 'file' },
      { name: 'chain', kind: 'file' },
      { name: 'climbing', kind: 'outside', target: '/etc/passwd' },
      { name: 'loop', kind: 'dangling' },
      { name: 'missing', kind: 'dangling' },
      { name: 'missing-path', kind: 'dangling' },
      { name: 'other-directory', kind: 'directory', target: `${other}/share` },
      { name: 'other-file', kind: 'file' },
      { name: 'outside', kind: 'outside', target: '/etc/passwd' },
      { name: 'program', kind: 'file' },
      { name: 'same', kind: 'file' },
      { name: 'store', kind: 'outside', target: '/nix/store' },
      { name: 'through', kind: 'file' },
    ])
  })

  test('list() goes through a directory that is a link', async () => {
    assert.deepEqual(await files.list(`${path}/bin/other-directory`), [
      { name: 'text', kind: 'file' },
    ])
  })

  test('list() gives nothing for a file, a missing path and a link out of the store', async () => {
    for (const name of ['program', 'nothing', 'outside', 'loop']) {
      assert.deepEqual(await files.list(`${path}/bin/${name}`), [], name)
    }
  })

  test('propagated() reads store paths and leaves out what is none', async () => {
    assert.deepEqual(await files.propagated(path), [other])
    assert.deepEqual(await files.propagated(other), [])
  })

  test('propagated() reads no more than 4 MiB of a file of any size', async () => {
    const name = 'nix-support/propagated-user-env-packages'
    const large = await addToStore('large', async (directory) => {
      await mkdir(join(directory, 'nix-support'))
      await writeFile(join(directory, name), `${other}\n`)
      const file = await open(join(directory, name), 'r+')
      await file.write(`\n${other}\n`, 4 * 1024 * 1024 - 10)
      await file.write(`\n${other}\n`, 5 * 1024 * 1024)
      await file.close()
    })
    const named = await createStoreFiles(new Set([large, other])).propagated(large)
    assert.deepEqual(named, [other])
  })
})

async function addToStore(
  name: string,
  fill: (directory: string) => Promise<void>,
): Promise<StorePath> {
  const parent = await mkdtemp(join(tmpdir(), 'nixery-store-files-'))
  const directory = join(parent, name)
  await mkdir(directory)
  await fill(directory)
  const { stdout } = await run('nix-store', ['--add', directory])
  await rm(parent, { recursive: true })
  const path = parseStorePath(stdout.trim())
  assert.ok(path, stdout)
  return path
}
