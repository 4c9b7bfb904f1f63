import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Storage } from '#engine/ports/storage.ts'
import { serveManifest } from '#engine/serve-manifest.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { paperTools } from '#test/fakes/paper-images.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { viewCounted } from '#test/fakes/view-counted.ts'
import { bucketKinds, startBucket, whyNoBucket } from '#test/storage/bucket-under-test.ts'
import { readConfig } from '../../src/config.ts'
import { openServedStorage } from '../../src/open-storage.ts'

// For both buckets and their servers.
const signal = AbortSignal.timeout(600_000)

for (const kind of bucketKinds) {
  suite(`images in a bucket of ${kind}`, { skip: await whyNoBucket(kind) }, () => {
    test('are shown by an instance that did not make them', async () => {
      await using bucket = await startBucket(kind)
      await using scratch = await makeScratchDirectory()
      const settings = bucket.environment(bucket.url)
      // Where the SDK looks for credentials.
      for (const [name, value] of Object.entries(settings))
        if (name.startsWith('AWS_')) process.env[name] = value
      const open = async (instance: string) => {
        const state = { NIXERY_STATE_DIRECTORY: join(scratch.path, instance) }
        const config = readConfig({ ...settings, ...state })
        const storage = await openServedStorage(config, { observe: () => {} })
        return { storage, [Symbol.asyncDispose]: () => storage.close() }
      }
      await using maker = await open('maker')
      for (const name of ['p1', 'p8']) await pull(maker.storage, name)

      await using viewer = await open('viewer')
      const { layers, closure, sharing } = await view(viewer.storage, 'p1')
      assert.equal(sharing, 'known')
      assert.deepEqual(closure?.map(({ path }) => path.slice(33)).toSorted(), [
        'common-1',
        'libc',
        'p1',
        'rare-1',
      ])
      // libc, the common library and, on paper, the root file system.
      const shared = layers.filter(({ sharedWith }) => sharedWith.includes('p8'))
      assert.deepEqual([shared.length, layers.length], [3, 5])
    })
  })
}

async function pull(storage: Storage, name: string): Promise<void> {
  const request = { name, tag: 'latest', acceptsIndex: true }
  const outcome = await serveManifest(paperTools(storageTools(storage)), request, signal)
  assert.equal(outcome.kind, 'image')
}

function view(storage: Storage, name: string) {
  const tools = paperTools(storageTools(storage))
  return viewCounted({ ...tools, upkeep: storage.upkeep }, name, signal)
}
