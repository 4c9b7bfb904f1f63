import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { pullImage } from './pull-image.ts'
import { findStorageViolations, makeSite, siteCommands } from './registry-site.ts'

suite('one storage directory', { skip: skipUnless(siteCommands) }, () => {
  test('two processes that build the same image at once give one digest', async () => {
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
})
