import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assembleImage } from '#core/assembly/image-documents.ts'
import { assembleIndex } from '#core/assembly/image-index.ts'
import { platformOf } from '#core/nix/system.ts'
import { digestOf } from './digest.ts'
import { parseManifestReferences } from './manifest-references.ts'
import { mediaTypes } from './media-types.ts'

const platform = platformOf('amd64')
const layer = {
  digest: digestOf('layer'),
  sizeBytes: 5,
  diffId: digestOf('archive'),
  createdBy: 'test',
}
const image = assembleImage(platform, [layer], { env: [] }, 'gzip')

test('parseManifestReferences() gives config and layers of both kinds of manifest', () => {
  for (const document of [image.ociManifest, image.dockerManifest]) {
    const read = parseManifestReferences(document.bytes)
    assert.equal(read?.kind, 'manifest')
    assert.equal(read.mediaType, document.mediaType)
    assert.deepEqual(
      read.references.map(({ digest, size }) => ({ digest, size })),
      [
        { digest: image.config.digest, size: image.config.bytes.length },
        { digest: layer.digest, size: 5 },
      ],
    )
  }
})

test('parseManifestReferences() gives the manifests that an index lists', () => {
  const describe = ({ mediaType, digest, bytes }: typeof image.ociManifest) => ({
    mediaType,
    digest,
    size: bytes.length,
  })
  const { ociIndex, dockerList } = assembleIndex([
    { platform, oci: describe(image.ociManifest), docker: describe(image.dockerManifest) },
  ])
  const listed = [ociIndex, dockerList].map(({ bytes }) => parseManifestReferences(bytes))
  assert.deepEqual(
    listed.map((it) => [it?.kind, it?.references.map(({ digest }) => digest)]),
    [
      ['index', [image.ociManifest.digest]],
      ['index', [image.dockerManifest.digest]],
    ],
  )
})

test('parseManifestReferences() takes nothing else for a manifest', () => {
  const config = { mediaType: mediaTypes.ociConfig, digest: digestOf('config'), size: 6 }
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] }
  const wrong: readonly unknown[] = [
    null,
    [],
    'text',
    { ...manifest, mediaType: undefined },
    { ...manifest, mediaType: mediaTypes.ociConfig },
    { ...manifest, config: undefined },
    { ...manifest, layers: undefined },
    { ...manifest, layers: {} },
    { ...manifest, layers: [null] },
    { ...manifest, config: { ...config, digest: 'sha256:0' } },
    { ...manifest, config: { ...config, size: -1 } },
    { ...manifest, config: { ...config, size: 1.5 } },
    { ...manifest, mediaType: mediaTypes.ociIndex },
  ]
  const parse = (text: string) => parseManifestReferences(new TextEncoder().encode(text))
  assert.equal(parse(JSON.stringify(manifest))?.references.length, 1)
  for (const value of wrong) assert.equal(parse(JSON.stringify(value)), undefined)
  assert.equal(parse('{"mediaType":'), undefined)
  assert.equal(parseManifestReferences(image.config.bytes), undefined)
})
