import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { pullImage } from './pull-image.ts'
import { findStorageViolations, makeSite, siteCommands } from './registry-site.ts'

suite('services side by side', { skip: skipUnless(siteCommands) }, () => {
  test('build the same image at once in one storage directory', async () => {
    await using site = await makeSite()
    await using first = await site.start()
    await using second = await site.start()
    const digests = await Promise.all(
      [first, second].map(({ url }) => pullImage(url, 'heavy/tool/odd-name')),
    )
    assert.equal(digests[0], digests[1])
    assert.deepEqual(await findStorageViolations(site.storageDirectory), [])
    for (const { log } of [first, second]) {
      assert.deepEqual(
        log.filter(({ level }) => level === 'error'),
        [],
      )
    }
  })

  test('give one digest from separate storage directories', async () => {
    await using site = await makeSite()
    await using first = await site.start()
    await using second = await site.start({
      environment: { STORAGE_PATH: `${site.storageDirectory}-other`, NIXERY_PACK_THREADS: '1' },
    })
    assert.equal(
      await pullImage(first.url, 'heavy/odd-name/tool'),
      await pullImage(second.url, 'tool/heavy/odd-name'),
    )
  })
})
