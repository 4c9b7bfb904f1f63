import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createReadStream } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { digestOf } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { ImageContent, ImageManifest } from '#engine/image-content.ts'
import { dockerArchive } from './docker-archive.ts'

const signal = new AbortController().signal

async function scratch(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-'))
  context.after(() => rm(directory, { recursive: true }))
  return directory
}

function image(): ImageContent {
  const layer = { mediaType: mediaTypes.ociLayerGzip, digest: digestOf('layer'), size: 5 }
  const bytes = Buffer.from('manifest')
  const manifest: ImageManifest = {
    mediaType: mediaTypes.ociManifest,
    digest: digestOf('manifest'),
    size: bytes.length,
    bytes,
    config: layer,
    layers: [layer],
  }
  const open = async () => Readable.from([Buffer.from('layer')])
  return { root: manifest, manifests: [manifest], blobs: [layer], open }
}

const write = (path: string) =>
  dockerArchive(path, { name: 'a', tag: 'b' }).write(image(), () => {}, signal)

test('dockerArchive() writes into what is no file, and leaves it what it is', async (context) => {
  const pipe = join(await scratch(context), 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const reading = buffer(createReadStream(pipe))
  await write(pipe)
  assert.ok((await lstat(pipe)).isFIFO())
  assert.equal((await reading).toString('utf8', 0, 13), 'manifest.json')
})

test('dockerArchive() refuses a directory before it writes', async (context) => {
  const directory = await scratch(context)
  await assert.rejects(write(directory), /is a directory, and must be a file/)
  assert.deepEqual(await readdir(directory), [])
})
