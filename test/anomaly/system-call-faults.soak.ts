import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { pullImage, tryPull } from './pull-image.ts'
import {
  findStagedFiles,
  findStorageViolations,
  makeSite,
  siteCommands,
  type RegistrySite,
} from './registry-site.ts'

/** System calls that publish, by the names that they have on one machine or another. */
const publishing: ReadonlyArray<readonly [calls: string, error: string, nth: number]> = [
  ['fsync', 'EIO', 1],
  ['fsync', 'EIO', 4],
  // The first three name the service's own directories for leases, sources and staging.
  ['?rename,?renameat,?renameat2', 'EIO', 4],
  ['?rename,?renameat,?renameat2', 'EIO', 5],
  ['?rename,?renameat,?renameat2', 'ENOSPC', 7],
  // The first one finds out at the start whether there are links.
  ['?link,?linkat', 'EIO', 2],
  ['?link,?linkat', 'EDQUOT', 3],
]

const skip = skipUnless([...siteCommands, 'strace'])

suite('a system call that fails', { skip }, () => {
  let site: RegistrySite
  let expected: string

  before(async () => {
    site = await makeSite()
    await using service = await site.start()
    expected = await pullImage(service.url, 'heavy')
  })
  after(() => site[Symbol.asyncDispose]())

  for (const [calls, error, nth] of publishing) {
    test(`${error} from number ${nth} of ${calls}: no wrong image, and right ones later`, async () => {
      const name = `${calls}-${nth}`.replaceAll(/\W/g, '')
      const storage = join(site.directory, name)
      const trace = join(site.directory, `${name}.trace`)
      // One thread for the file system, because strace counts by thread.
      const environment = { STORAGE_PATH: storage, UV_THREADPOOL_SIZE: '1' }
      const inject = `inject=${calls}:error=${error}:when=${nth}`
      const wrapper = ['strace', '-f', '-D', '--seccomp-bpf', '-o', trace, '-e', `trace=${calls}`]
      {
        await using service = await site.start({
          environment,
          wrapper: [...wrapper, '-e', inject, '--'],
        })
        const outcome = await tryPull(service.url, 'heavy')
        if (outcome.kind === 'image') assert.equal(outcome.digest, expected)
      }
      assert.match(await readFile(trace, 'utf8'), /\(INJECTED\)/)
      assert.deepEqual(await findStorageViolations(storage), [])

      await using service = await site.start({ environment })
      assert.deepEqual(await findStagedFiles(storage), [], 'swept')
      assert.equal(await pullImage(service.url, 'heavy'), expected)
    })
  }
})
