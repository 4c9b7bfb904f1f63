import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from './config.ts'
import { makeDirectory } from './make-directory.ts'

test('makeDirectory() makes every level, or names the setting', async (context) => {
  const top = await mkdtemp(join(tmpdir(), 'nixery-directory-'))
  context.after(() => rm(top, { recursive: true, force: true }))
  const path = join(top, 'a/b')
  await Promise.all([makeDirectory('STORAGE_PATH', path), makeDirectory('STORAGE_PATH', path)])
  await makeDirectory('STORAGE_PATH', `${path}/`)
  assert.deepEqual(await readdir(top, { recursive: true }), ['a', 'a/b'])
  await writeFile(join(top, 'file'), '')
  // Node's own recursive call would try the second one for ever.
  for (const wrong of [join(top, 'file'), '/proc/nixery', join(top, 'file/x')])
    await assert.rejects(
      makeDirectory('STORAGE_PATH', wrong),
      (error) =>
        error instanceof ConfigError &&
        error.message.startsWith(`STORAGE_PATH=${wrong} cannot be used: it must be a directory`) &&
        !error.message.includes('\n'),
      wrong,
    )
})
