import assert from 'node:assert/strict'
import { chmod, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { asMereOwner } from './as-mere-owner.ts'
import { eventually } from './eventually.ts'
import { pullImage, requestManifest } from './pull-image.ts'
import type { RegistryProcess } from './registry-process.ts'
import {
  findStagedFiles,
  findStorageViolations,
  makeSite,
  siteCommands,
  type RegistrySite,
} from './registry-site.ts'

const diskCommands = [...siteCommands, 'mkfs.ext4', 'mount', 'umount']
const skip = skipUnless(diskCommands, { root: true }) || (await whyNoLoopMounts())

suite('a directory that takes nothing more', { skip }, () => {
  test('because its disk is full: NO_SPACE, nothing visible, and well after room is made', async () => {
    await using site = await makeSite()
    const disk = await mountTinyDisk(site)
    const filler = join(disk, 'filler')
    // Enough for the directories and the documents; a heavy image has about 8 MB.
    await fillDisk(filler, 3)
    const storage = join(disk, 'storage')
    await using service = await site.start({ environment: { STORAGE_PATH: storage } })

    await refusedWith(service, 'heavy', 'NO_SPACE', /free disk space/)
    assert.deepEqual(await findStagedFiles(storage), [])
    assert.deepEqual(await findStorageViolations(storage), [])
    assert.deepEqual(await readdir(join(storage, 'manifests')), [])

    await rm(filler)
    await pullImage(service.url, 'heavy')
    assert.deepEqual(await findStorageViolations(storage), [])
  })

  test('because its disk became read-only: NO_PERMISSION, and well after that', async () => {
    await using site = await makeSite()
    const disk = await mountTinyDisk(site)
    const storage = join(disk, 'storage')
    await using service = await site.start({ environment: { STORAGE_PATH: storage } })
    const remount = (mode: 'ro' | 'rw') => run('mount', ['-o', `remount,${mode}`, disk])
    await remount('ro')
    await refusedWith(service, 'heavy', 'NO_PERMISSION', /give the service user access/)
    await remount('rw')
    await pullImage(service.url, 'tool')
  })

  test('because its permissions changed: NO_PERMISSION, and well after that', async () => {
    await using site = await makeSite()
    await buildBefore(site)
    await using service = await site.start({ wrapper: asMereOwner })
    const layers = join(site.storageDirectory, 'layers')
    await chmod(layers, 0o500)
    await refusedWith(service, 'heavy', 'NO_PERMISSION', /give the service user access/)
    assert.deepEqual(await findStagedFiles(site.storageDirectory), [])
    assert.deepEqual(await readdir(layers), [])
    await chmod(layers, 0o700)
    await pullImage(service.url, 'heavy')
  })

  test('because Nix may not write its store: NO_PERMISSION', async () => {
    await using site = await makeSite()
    await using service = await site.start({ wrapper: asMereOwner })
    await refusedWith(
      service,
      'tool',
      'NO_PERMISSION',
      /\/nix\/store.*give the service user access/,
    )
  })
})

/** Makes the store paths: Nix itself needs all rights of root to build. */
async function buildBefore(site: RegistrySite): Promise<void> {
  const environment = { STORAGE_PATH: `${site.storageDirectory}-other` }
  await using service = await site.start({ environment })
  await pullImage(service.url, 'heavy')
}

/** A pull fails with a 500 that names the code, and the log says what the operator has to do. */
async function refusedWith(
  service: RegistryProcess,
  name: string,
  code: string,
  advice: RegExp,
): Promise<void> {
  const answer = await requestManifest(service.url, name)
  const { errors } = (await answer.json()) as { errors: { message: string }[] }
  const message = errors[0]?.message ?? ''
  assert.equal(answer.status, 500, message)
  assert.match(message, new RegExp(`^${code}: `))
  // The pipe that carries the log may be slower than the connection.
  const { error } = await eventually('the log line', () =>
    service.log.find(({ msg }) => msg === 'request failed'),
  )
  assert.match(String(error), new RegExp(`^${code}: `))
  assert.match(String(error), advice)
}

/** 24 MB of ext4 without blocks that only root may use, unmounted with the site's directory. */
async function mountTinyDisk(site: RegistrySite): Promise<string> {
  const image = join(site.directory, 'disk.ext4')
  const disk = join(site.directory, 'disk')
  const file = await open(image, 'w')
  await file.truncate(24 * 1024 * 1024)
  await file.close()
  await mkdir(disk)
  await run('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', image])
  await run('mount', ['-o', 'loop', image, disk])
  return disk
}

/** Fills the disk but for some megabytes. */
async function fillDisk(filler: string, freeMiB: number): Promise<void> {
  const mebibyte = Buffer.alloc(1024 * 1024)
  const file = await open(filler, 'w')
  let writtenMiB = 0
  for (let hasRoom = true; hasRoom;) {
    hasRoom = await file.write(mebibyte).then(
      ({ bytesWritten }) => bytesWritten === mebibyte.length,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOSPC') return false
        throw error
      },
    )
    if (hasRoom) writtenMiB += 1
  }
  await file.truncate((writtenMiB - freeMiB) * mebibyte.length)
  await file.sync()
  await file.close()
}

async function whyNoLoopMounts(): Promise<string | false> {
  const { exitCode, stderr } = await runCommand('losetup', ['--find'])
  return exitCode === 0 ? false : `no loop device can be had here: ${stderr.trim()}`
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runCommand(command, args)
  assert.equal(exitCode, 0, stderr)
}
