import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { eventually } from './eventually.ts'
import { pullImage, requestManifest } from './pull-image.ts'
import type { RegistryProcess } from './registry-process.ts'
import {
  findHangingBuilder,
  findStagedFiles,
  findStorageViolations,
  isWithoutNix,
  makeSite,
  siteCommands,
  type RegistrySite,
} from './registry-site.ts'

suite('a service that is killed', { skip: skipUnless(siteCommands) }, () => {
  test('while it packs leaves only staging behind, which the next start sweeps', async () => {
    await using site = await makeSite()
    const expected = await pullFromFreshStorage(site)

    await using first = await site.start()
    const cutOff = assert.rejects(requestManifest(first.url, 'heavy'))
    await eventually('an upload in progress', () => stopInUpload(site, first))
    await first.kill('SIGKILL')
    await cutOff
    assert.notDeepEqual(await findStagedFiles(site.storageDirectory), [], 'it was busy')
    assert.deepEqual(await findStorageViolations(site.storageDirectory), [])

    await using second = await site.start()
    assert.deepEqual(await findStagedFiles(site.storageDirectory), [], 'swept')
    assert.equal(await pullImage(second.url, 'heavy'), expected)
    assert.deepEqual(await findStorageViolations(site.storageDirectory), [])
  })

  test('leaves the uploads of a peer that lives alone', async () => {
    await using site = await makeSite()
    await using busy = await site.start()
    const pulled = pullImage(busy.url, 'heavy')
    await eventually('an upload in progress', () => hasUpload(site))
    await using idle = await site.start()
    await idle.kill('SIGKILL')
    await using restarted = await site.start()
    await pulled
    assert.equal((await restarted.kill('SIGTERM')).exitCode, 0)
  })

  test('takes its Nix processes with it', async () => {
    await using site = await makeSite()
    await using service = await site.start()
    const cutOff = assert.rejects(requestManifest(service.url, 'hangs'))
    await eventually('the builder', () => findHangingBuilder(site))
    await service.kill('SIGKILL')
    await cutOff
    await eventually('the end of Nix', () => isWithoutNix(site))
  })
})

/** The digest that an undisturbed service gives. */
async function pullFromFreshStorage(site: RegistrySite): Promise<string> {
  const environment = {
    STORAGE_PATH: `${site.storageDirectory}-fresh`,
    // Joined from kept segments the next one would be there before anybody can kill its service.
    NIXERY_STATE_DIRECTORY: join(site.directory, 'state-fresh'),
  }
  await using service = await site.start({ environment })
  return await pullImage(service.url, 'heavy')
}

/** Between two layers there is no upload, and the next look may be late. */
async function stopInUpload(
  site: RegistrySite,
  { pid }: RegistryProcess,
): Promise<true | undefined> {
  process.kill(pid, 'SIGSTOP')
  const isBusy = await hasUpload(site)
  if (!isBusy) process.kill(pid, 'SIGCONT')
  return isBusy
}

async function hasUpload(site: RegistrySite): Promise<true | undefined> {
  const files = await findStagedFiles(site.storageDirectory)
  return files.some(({ sizeBytes }) => sizeBytes > 0) || undefined
}
