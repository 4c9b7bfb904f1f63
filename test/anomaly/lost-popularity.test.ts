import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { skipUnless } from '#test/clients/availability.ts'
import { makeSite, siteCommands } from './registry-site.ts'

suite('a popularity that cannot be read', { skip: skipUnless(siteCommands) }, () => {
  test('is the one that was loaded last, or none, and the start says which', async () => {
    await using site = await makeSite()
    const path = join(site.directory, 'popularity.json')
    const address = { NIX_POPULARITY_URL: pathToFileURL(path).href }
    const warnings = async (scheme = 'original') => {
      const environment = { ...address, NIXERY_LAYER_SCHEME: scheme }
      await using service = await site.start({ environment })
      return service.log.filter(({ level, url }) => level === 'warn' && url !== undefined)
    }

    const [without, ...others] = await warnings()
    assert.match(String(without?.msg), /serving without/)
    assert.deepEqual(others, [])
    await writeFile(path, '{"heavy-1": 7}')
    assert.deepEqual(await warnings(), [])
    await rm(path)
    const [kept] = await warnings()
    assert.match(String(kept?.msg), /the one that was loaded last/)
    assert.match(String(kept?.['error']), /ENOENT/)
    const [unused] = await warnings('stable')
    assert.match(String(unused?.msg), /is not used/)
  })
})
