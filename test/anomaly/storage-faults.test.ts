import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { failCall, type FaultMoment } from './faulty-storage.ts'
import { makeLocalStore, startLocalRegistry, type LocalStore } from './local-registry.ts'
import { pullImage, tryPull } from './pull-image.ts'
import { findStagedFiles, findStorageViolations } from './registry-site.ts'

suite('a storage in which every call fails in turn', () => {
  const resources = new AsyncDisposableStack()
  let scratch: ScratchDirectory
  let store: LocalStore
  let expected: string

  before(async () => {
    scratch = resources.use(await makeScratchDirectory())
    store = resources.use(await makeLocalStore(scratch.path))
    expected = await pullSoundly(join(scratch.path, 'sound'))
  })
  after(() => resources.disposeAsync())

  for (const moment of ['before', 'after'] as const) {
    test(`gives the right image or none, the fault ${moment} the call`, async () => {
      let outcome: Awaited<ReturnType<typeof pullWithFault>>
      let faultyCall = 0
      const refusedAt = new Set<string>()
      do {
        const directory = join(scratch.path, `${moment}-${faultyCall}`)
        outcome = await pullWithFault(directory, faultyCall, moment)
        if (outcome.kind === 'image') assert.equal(outcome.digest, expected)
        else refusedAt.add(outcome.call ?? '')
        assert.deepEqual(await findStorageViolations(directory), [])
        assert.equal(await pullSoundly(directory), expected, `after a fault in ${outcome.call}`)
        assert.deepEqual(await findStagedFiles(directory), [])
        faultyCall += 1
      } while (outcome.call !== undefined)
      const calls = [
        'get',
        'notices',
        'open',
        'publish',
        'putFirst',
        'readDocument',
        'recordUse',
        'stat',
        'upload',
        'write',
      ]
      for (const call of calls) assert.ok(refusedAt.has(call), `${call} was reached`)
    })
  }

  /** Two pulls, so that what is read back fails as well; gives the one that met the fault. */
  async function pullWithFault(directory: string, faultyCall: number, moment: FaultMoment) {
    const storage = await openFilesystemStorage(directory)
    const faulty = failCall(storage, faultyCall, moment)
    await using registry = await startLocalRegistry(store, faulty)
    const first = await tryPull(registry.url, 'program')
    const outcome = first.kind === 'image' ? await tryPull(registry.url, 'program') : first
    await storage.close()
    return { ...outcome, call: faulty.calls[faultyCall] }
  }

  async function pullSoundly(directory: string): Promise<string> {
    const storage = await openFilesystemStorage(directory)
    await using registry = await startLocalRegistry(store, storage)
    const digest = await pullImage(registry.url, 'program')
    await storage.close()
    return digest
  }
})
