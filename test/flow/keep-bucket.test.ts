import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parseDigest, type Digest } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { makeLocalStore, startLocalRegistry } from '#test/anomaly/local-registry.ts'
import { pullImage } from '#test/anomaly/pull-image.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { bucketKinds, startBucket, whyNoBucket } from '#test/storage/bucket-under-test.ts'
import { readConfig } from '../../src/config.ts'
import { openStorage } from '../../src/open-storage.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const node = join(projectRoot, 'node_modules', '.bin', 'node')
const { signal } = new AbortController()

for (const kind of bucketKinds) {
  const skip = skipUnless(['setpriv']) || (await whyNoBucket(kind))
  suite(`a bucket of ${kind}`, { skip }, () => {
    test('is verified, mended, filled by the next pull, and cleared', async () => {
      await using bucket = await startBucket(kind)
      await using scratch = await makeScratchDirectory()
      await using store = await makeLocalStore(scratch.path)
      const environment = {
        NIXERY_STATE_DIRECTORY: join(scratch.path, 'state'),
        ...bucket.environment(bucket.url),
      }
      // Where the SDK looks for credentials.
      for (const [name, value] of Object.entries(environment))
        if (name.startsWith('AWS_')) process.env[name] = value
      await using opened = await open(environment)
      const { storage } = opened
      await using registry = await startLocalRegistry(store, storage)
      const nixery = (...args: readonly string[]) =>
        runCommand(node, [join(projectRoot, 'src/main.ts'), ...args], { env: environment })

      const expected = await pullImage(registry.url, 'program')
      const sound = await nixery('verify')
      assert.equal(sound.exitCode, 0, sound.stdout + sound.stderr)
      assert.match(sound.stdout, /^(?:gs|s3):\/\/\S+ is sound: /)

      await harmOneLayer(storage, expected)
      const found = await nixery('verify')
      assert.equal(found.exitCode, 1, found.stdout + found.stderr)
      assert.match(found.stdout, /^truncated blob sha256:[0-9a-f]{64}: 4 of \d+ bytes are there; /)
      const mended = await nixery('verify', '--repair')
      assert.match(
        mended.stdout,
        /; 1 blob moved into quarantine; removed 1 image, 1 cached layer$/m,
      )
      assert.equal((await bucket.list('quarantine/')).length, 1)
      assert.equal((await nixery('verify')).exitCode, 0)
      assert.equal(await pullImage(registry.url, 'program'), expected)

      const limits = ['--max-size', '1KiB', '--grace', '0s', '--offline']
      const planned = await nixery('gc', ...limits, '--dry-run')
      assert.match(planned.stdout, /^would remove 1 image, /m)
      assert.notEqual((await bucket.list('layers/')).length, 0)
      const cleared = await nixery('gc', ...limits)
      assert.equal(cleared.exitCode, 0, cleared.stderr)
      assert.match(cleared.stdout, /^removed 1 image, /)
      for (const folder of ['layers/', 'builds/', 'manifests/', 'notices/'])
        assert.deepEqual(await bucket.list(folder), [])
    })
  })
}

async function open(environment: Readonly<Record<string, string>>) {
  const storage = await openStorage(readConfig(environment))
  return { storage, [Symbol.asyncDispose]: () => storage.close() }
}

/** Publishes other bytes under the name of a layer. */
async function harmOneLayer({ blobs }: Storage, manifest: string): Promise<void> {
  const bytes = await blobs.readDocument(asDigest(manifest), signal)
  assert.ok(bytes)
  const { layers } = JSON.parse(Buffer.from(bytes).toString()) as {
    readonly layers: ReadonlyArray<{ readonly digest: string }>
  }
  const upload = await blobs.upload(mediaTypes.ociLayerGzip, signal)
  await upload.write(Buffer.from('half'))
  await upload.publish(asDigest(layers[0]!.digest))
  await upload.discard()
}

function asDigest(text: string): Digest {
  return parseDigest(text) ?? assert.fail(`${text} is no digest`)
}
