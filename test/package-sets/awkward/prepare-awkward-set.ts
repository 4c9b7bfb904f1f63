import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { copyFile, glob, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { PackageSet } from '#engine/ports/package-source.ts'

const run = promisify(execFile)

/**
 * Puts the awkward package set into an empty directory, with a static busybox out of Debian's
 * package (installing it would replace the machine's own) and packages that no other run has.
 */
export async function prepareAwkwardSet(directory: string): Promise<PackageSet> {
  const entry = join(directory, 'default.nix')
  const nonce = randomUUID()
  await copyFile(join(import.meta.dirname, 'default.nix'), entry)
  await writeFile(join(directory, 'nonce'), nonce)
  await unpackBusybox(directory)
  return { identity: `awkward-${nonce}`, fixed: true, entry, readablePaths: [directory] }
}

async function unpackBusybox(directory: string): Promise<void> {
  const download = join(directory, 'download')
  await mkdir(download)
  const options = ['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=3']
  await run('apt-get', [...options, 'download', 'busybox-static'], { cwd: download })
  const [archive = ''] = await readdir(download)
  await run('dpkg-deb', ['-x', join(download, archive), join(download, 'unpacked')])
  await mkdir(join(directory, 'busybox/bin'), { recursive: true })
  // Debian 13 moved it.
  const [unpacked] = await Array.fromAsync(glob(join(download, 'unpacked/{bin,usr/bin}/busybox')))
  assert.ok(unpacked, 'busybox-static holds busybox')
  await rename(unpacked, join(directory, 'busybox/bin/busybox'))
}
