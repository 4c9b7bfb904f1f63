import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { findLayoutViolations } from './oci-layout.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

type Entry = { path: string; type?: string; target?: string; content?: string; uid?: number }
type Sketch = { layers: Entry[][]; config: Record<string, unknown>; sizeError: number }

const sound: Entry[] = [
  { path: 'bin', type: '5' },
  { path: 'bin/jq', content: 'jq' },
  { path: 'bin/same', type: '1', target: 'bin/jq' },
  { path: 'bin/sh', type: '2', target: '../bin/jq' },
  { path: 'usr', type: '2', target: '/bin' },
]

const cases: { name: string; change: (sketch: Sketch) => void; expected: RegExp }[] = [
  {
    name: 'an entry that appears twice',
    change: ({ layers }) => layers[0]!.push({ path: 'bin/jq' }),
    expected: /^layer 0: bin\/jq appears twice$/,
  },
  {
    name: 'a dangling link',
    change: ({ layers }) => layers[0]!.push({ path: 'x', type: '2', target: 'bin/no' }),
    expected: /^x dangles: bin\/no$/,
  },
  {
    name: 'a link to itself',
    change: ({ layers }) => layers[0]!.push({ path: 'x', type: '2', target: 'x' }),
    expected: /^x dangles: x$/,
  },
  {
    name: 'a link above the root',
    change: ({ layers }) => layers[0]!.push({ path: 'bin/x', type: '2', target: '../../bin/jq' }),
    expected: /^bin\/x climbs above the root/,
  },
  {
    name: 'a hard link without its file',
    change: ({ layers }) => layers.push([{ path: 'x', type: '1', target: 'bin/jq' }]),
    expected: /^layer 1: x is a hard link to bin\/jq/,
  },
  {
    name: 'a file without its directory',
    change: ({ layers }) => layers[0]!.push({ path: 'lib/x' }),
    expected: /^layer 0: lib\/x has no parent directory$/,
  },
  {
    name: 'a file below a link',
    change: ({ layers }) => layers.push([{ path: 'usr/x' }]),
    expected: /^layer 1: usr\/x lies in a symlink$/,
  },
  {
    name: 'an owner other than root',
    change: ({ layers }) => layers[0]!.push({ path: 'x', uid: 8 }),
    expected: /^layer 0: x belongs to 8:0$/,
  },
  {
    name: 'a config of null',
    change: ({ config }) => Object.assign(config, { config: null }),
    expected: /^the image config has no config object$/,
  },
  {
    name: 'a wrong diffID',
    change: ({ config }) =>
      Object.assign(config, { rootfs: { type: 'layers', diff_ids: ['sha256:00'] } }),
    expected: /^layer 0 has diffID sha256:[0-9a-f]{64}, not sha256:00$/,
  },
  {
    name: 'a wrong size',
    change: (sketch) => (sketch.sizeError = 1),
    expected: /^blob sha256:[0-9a-f]{64} has \d+ bytes, not \d+$/,
  },
  {
    name: 'a history without times',
    change: ({ config }) => Object.assign(config, { history: [{}] }),
    expected: /^a history entry has no created$/,
  },
]

test('findLayoutViolations() finds none in a sound image', async () => {
  assert.deepEqual(await violationsAfter(() => {}), [])
})

for (const { name, change, expected } of cases) {
  test(`findLayoutViolations() finds ${name}`, async () => {
    const violations = await violationsAfter(change)
    assert.equal(violations.length, 1, violations.join('\n'))
    assert.match(violations[0]!, expected)
  })
}

async function violationsAfter(change: (sketch: Sketch) => unknown): Promise<string[]> {
  const sketch: Sketch = { layers: [[...sound]], config: {}, sizeError: 0 }
  change(sketch)
  await using directory = await makeScratchDirectory()
  await writeLayout(directory.path, sketch)
  return await findLayoutViolations(directory.path)
}

async function writeLayout(directory: string, sketch: Sketch): Promise<void> {
  const created = '1970-01-01T00:00:01Z'
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const addBlob = async (mediaType: string, bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(directory, 'blobs', 'sha256', hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const archives = sketch.layers.map((entries) => makeArchive(entries))
  const layers = await Promise.all(
    archives.map((archive) =>
      addBlob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(archive)),
    ),
  )
  layers[0]!.size += sketch.sizeError
  const config = {
    architecture: 'amd64',
    os: 'linux',
    created,
    config: {},
    rootfs: {
      type: 'layers',
      diff_ids: archives.map(
        (archive) => `sha256:${createHash('sha256').update(archive).digest('hex')}`,
      ),
    },
    history: layers.map(() => ({ created })),
    ...sketch.config,
  }
  const manifestType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: await addBlob('application/vnd.oci.image.config.v1+json', toJson(config)),
    layers,
  }
  const index = { schemaVersion: 2, manifests: [await addBlob(manifestType, toJson(manifest))] }
  await writeFile(join(directory, 'oci-layout'), toJson({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(directory, 'index.json'), toJson(index))
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function makeArchive(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '')
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
    return [makeHeader(entry, content.length), content, padding]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function makeHeader({ path, type = '0', target = '', uid = 0 }: Entry, sizeBytes: number): Buffer {
  const header = Buffer.alloc(512)
  header.write(path, 0)
  header.write('0000755\0', 100)
  header.write(`${uid.toString(8).padStart(7, '0')}\0`, 108)
  header.write('0000000\0', 116)
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000001\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(target, 157)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
