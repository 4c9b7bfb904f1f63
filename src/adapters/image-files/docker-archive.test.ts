import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
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

function image(open = async () => Readable.from([Buffer.from('layer')])): ImageContent {
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
  return { root: manifest, manifests: [manifest], blobs: [layer], open }
}

const archive = (path: string) => dockerArchive(path, { name: 'a', tag: 'b' })

const write = (path: string) => archive(path).write(image(), () => {}, signal)

test('dockerArchive() writes into what is no file, and leaves it what it is', async (context) => {
  const pipe = join(await scratch(context), 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const reading = buffer(createReadStream(pipe))
  await write(pipe)
  assert.ok((await lstat(pipe)).isFIFO())
  assert.equal((await reading).toString('utf8', 0, 13), 'manifest.json')
})

test('dockerArchive() replaces a file by a whole one, or not at all', async (context) => {
  const path = join(await scratch(context), 'a'.repeat(250))
  await writeFile(path, 'old')
  const broken = image(() => Promise.reject(new Error('cut off')))
  await assert.rejects(
    archive(path).write(broken, () => {}, signal),
    /^Error: cut off$/,
  )
  assert.equal(await readFile(path, 'utf8'), 'old')
  await write(path)
  assert.equal((await readFile(path)).toString('utf8', 0, 13), 'manifest.json')
  assert.equal((await readdir(dirname(path))).length, 1)
})

test('dockerArchive() replaces the file that a link leads to, and leaves the link', async (context) => {
  const directory = await scratch(context)
  const [file, link, dangling] = ['file', 'link', 'dangling'].map((name) => join(directory, name))
  await writeFile(file!, 'old')
  await symlink('file', link!)
  await archive(link!).check(signal)
  await write(link!)
  assert.ok((await lstat(link!)).isSymbolicLink())
  assert.equal((await readFile(file!)).toString('utf8', 0, 13), 'manifest.json')
  await symlink('nowhere', dangling!)
  const message = /dangling is a link that leads nowhere: /
  await assert.rejects(archive(dangling!).check(signal), { name: 'UnfitDestination', message })
  await assert.rejects(write(dangling!), { name: 'UnfitDestination', message })
})

test('dockerArchive() says what is wrong with its place, before and while it writes', async (context) => {
  const directory = await scratch(context)
  const file = join(directory, 'file')
  await writeFile(file, '')
  const table = [
    [directory, /is a directory, and must be a file$/],
    [`${join(directory, 'no')}/`, /is a directory, and must be a file$/],
    [join(directory, 'no', 'x'), /no\/x cannot be written: its directory does not exist: /],
    [join(file, 'x'), /file\/x cannot be written: what its path calls a directory is a file: /],
  ] as const
  for (const [path, message] of table) {
    await assert.rejects(archive(path).check(signal), { name: 'UnfitDestination', message })
    await assert.rejects(write(path), { name: 'UnfitDestination', message })
  }
  await archive(file).check(signal)
  await archive('/dev/full').check(signal)
  await assert.rejects(write('/dev/full'), {
    name: 'UnfitDestination',
    message: /^\/dev\/full cannot be written: its file system is full: /,
  })
  assert.deepEqual(await readdir(directory), ['file'])
})
