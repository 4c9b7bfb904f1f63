import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { ImageContent, ImageManifest } from '#engine/image-content.ts'
import { ociLayout } from './oci-layout.ts'

const signal = new AbortController().signal

async function scratch(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-'))
  context.after(() => rm(directory, { recursive: true }))
  return directory
}

function image(
  layerText: string,
  open = () => Readable.from([Buffer.from(layerText)]),
): ImageContent {
  const describe = (mediaType: string, text: string) => ({
    mediaType,
    digest: digestOf(text),
    size: text.length,
  })
  const layer = describe(mediaTypes.ociLayerGzip, layerText)
  const bytes = Buffer.from(`manifest of ${layer.digest}`)
  const manifest: ImageManifest = {
    ...describe(mediaTypes.ociManifest, bytes.toString()),
    bytes,
    config: layer,
    layers: [layer],
  }
  return { root: manifest, manifests: [manifest], blobs: [layer], open: async () => open() }
}

const tagsIn = async (directory: string) => {
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as {
    manifests: Array<{ digest: string; annotations: Record<string, string> }>
  }
  return index.manifests.map(({ digest, annotations }) => [Object.values(annotations)[0], digest])
}

test('ociLayout() adds images, and gives a tag to the last one', async (context) => {
  const directory = join(await scratch(context), 'new')
  const [one, two] = [image('one'), image('two')]
  const seen: number[] = []
  await ociLayout(directory, 'a').write(one, (done) => seen.push(done), signal)
  await ociLayout(directory, 'b').write(one, (done) => seen.push(done), signal)
  await ociLayout(directory, 'a').write(two, () => {}, signal)
  assert.deepEqual(seen, [3, 3])
  assert.deepEqual(await tagsIn(directory), [
    ['b', one.root.digest],
    ['a', two.root.digest],
  ])
  const blobs = await readdir(join(directory, 'blobs', 'sha256'))
  const all = [one, two].flatMap(({ root, blobs: [layer] }) => [root.digest, layer!.digest])
  assert.deepEqual(blobs.toSorted(), all.map(digestHex).toSorted())
})

test('ociLayout() leaves no half image behind', async (context) => {
  const directory = join(await scratch(context), 'half')
  const broken = image('three', () =>
    Readable.from(
      (function* () {
        yield Buffer.from('thr')
        throw new Error('cut off')
      })(),
    ),
  )
  await assert.rejects(
    ociLayout(directory, 'a').write(broken, () => {}, signal),
    /cut off/,
  )
  assert.deepEqual(await readdir(join(directory, 'blobs', 'sha256')), [])
  assert.ok(!(await readdir(directory)).includes('index.json'))
  const whole = image('three')
  await ociLayout(directory, 'a').write(whole, () => {}, signal)
  assert.deepEqual(await tagsIn(directory), [['a', whole.root.digest]])
})

test('ociLayout() keeps an image that came meanwhile', async (context) => {
  const directory = join(await scratch(context), 'both')
  const { promise: isWritten, resolve } = Promise.withResolvers<void>()
  const slow = image('slow', () =>
    Readable.from(
      (async function* () {
        await isWritten
        yield Buffer.from('slow')
      })(),
    ),
  )
  const slowly = ociLayout(directory, 'slow').write(slow, () => {}, signal)
  await ociLayout(directory, 'quick').write(image('quick'), () => {}, signal)
  resolve()
  await slowly
  const tags = (await tagsIn(directory)).map(([tag]) => tag)
  assert.deepEqual(tags, ['quick', 'slow'])
})

test('ociLayout() touches nothing that is no layout', async (context) => {
  const directory = await scratch(context)
  const home = join(directory, 'home')
  await mkdir(home)
  await writeFile(join(home, 'mine'), '')
  const refuses = async (path: string, message: RegExp) => {
    const layout = ociLayout(path, 'a')
    await assert.rejects(layout.check(signal), { name: 'UnfitDestination', message })
    await assert.rejects(
      layout.write(image('x'), () => {}, signal),
      { name: 'UnfitDestination', message },
    )
  }
  await refuses(home, /holds something else than an OCI layout/)
  await refuses(join(home, 'mine'), /is a file, and must be a directory/)
  await refuses(join(home, 'mine', 'x'), /mine\/x cannot be written: /)
  assert.deepEqual(await readdir(home), ['mine'])
  await writeFile(join(home, 'oci-layout'), '{}')
  await writeFile(join(home, 'index.json'), '{"manifests":1}')
  await refuses(home, /is no index of an OCI layout/)
  const half = join(directory, 'half')
  await mkdir(join(half, 'blobs'), { recursive: true })
  await writeFile(join(half, 'oci-layout'), '{}')
  await writeFile(join(half, 'blobs', 'sha256'), '')
  await refuses(half, /half\/blobs\/sha256 is a file, and must be a directory/)
  await rm(join(half, 'blobs'), { recursive: true })
  await writeFile(join(half, 'blobs'), '')
  await refuses(half, /half\/blobs is a file, and must be a directory/)
  await rm(half, { recursive: true })
  await symlink('nowhere', half)
  await refuses(half, /half is a link that leads nowhere: /)
  await refuses(join(half, 'x'), /half is a link that leads nowhere: /)
  await rm(half)
  const fresh = join(directory, 'a', 'b')
  await ociLayout(fresh, 'a').check(signal)
  assert.deepEqual(await readdir(directory), ['home'])
})
