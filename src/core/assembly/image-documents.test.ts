import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { platformOf } from '#core/nix/system.ts'
import { assembleImage, type ImageDocument } from './image-documents.ts'

const layers = ['bottom', 'root'].map((name) => ({
  digest: digestOf(`${name} compressed`),
  diffId: digestOf(name),
  sizeBytes: name.length,
  createdBy: `nixery: ${name}`,
}))

// oxlint-disable-next-line typescript/no-explicit-any -- documents are compared member by member
const read = (document: ImageDocument): any => JSON.parse(new TextDecoder().decode(document.bytes))

test('assembleImage() names the config and the layers in both manifests', () => {
  const image = assembleImage(platformOf('amd64'), layers, { env: ['A=b'], cmd: ['bash'] }, 'gzip')
  for (const manifest of [image.ociManifest, image.dockerManifest]) {
    const document = read(manifest)
    assert.equal(document.mediaType, manifest.mediaType)
    assert.equal(document.config.digest, image.config.digest)
    assert.equal(document.config.size, image.config.bytes.length)
    assert.deepEqual(
      document.layers.map((layer: { digest: string; size: number }) => [layer.digest, layer.size]),
      layers.map((layer) => [layer.digest, layer.sizeBytes]),
    )
    assert.equal(manifest.digest, digestOf(manifest.bytes))
  }
  assert.notEqual(image.ociManifest.digest, image.dockerManifest.digest)
})

test('assembleImage() says in both manifests how layers are compressed, and nowhere else', () => {
  const images = (['gzip', 'zstd'] as const).map((codec) =>
    assembleImage(platformOf('amd64'), layers, { env: [] }, codec),
  )
  const layerTypesOf = (document: ImageDocument) =>
    new Set(read(document).layers.map((layer: { mediaType: string }) => layer.mediaType))
  assert.deepEqual(
    images.map(({ ociManifest, dockerManifest }) => [
      ...layerTypesOf(ociManifest),
      ...layerTypesOf(dockerManifest),
    ]),
    [
      [
        'application/vnd.oci.image.layer.v1.tar+gzip',
        'application/vnd.docker.image.rootfs.diff.tar.gzip',
      ],
      [
        'application/vnd.oci.image.layer.v1.tar+zstd',
        'application/vnd.docker.image.rootfs.diff.tar.zstd',
      ],
    ],
  )
  assert.equal(images[0]!.config.digest, images[1]!.config.digest)
})

test('assembleImage() gives every config what docker and containerd read without looking', () => {
  const config = read(assembleImage(platformOf('arm64'), layers, { env: [] }, 'gzip').config)
  assert.deepEqual(config.config, { Env: [] })
  assert.equal(config.created, '1970-01-01T00:00:01Z')
  assert.deepEqual([config.os, config.architecture, config.variant], ['linux', 'arm64', 'v8'])
  assert.deepEqual(config.rootfs, { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) })
  assert.ok(config.history.every((entry: { created: string }) => entry.created === config.created))
  assert.equal(config.history.length, layers.length)
})

test('assembleImage() writes all options in one order', () => {
  const options = {
    env: ['A=b'],
    labels: { b: '2', a: '1' },
    exposedPorts: ['8080/tcp', '53/udp'],
    workingDir: '/work',
    user: '1000',
    entrypoint: ['git'],
    cmd: ['--version'],
  }
  const { config } = read(assembleImage(platformOf('amd64'), layers, options, 'gzip').config)
  assert.equal(
    JSON.stringify(config),
    JSON.stringify({
      User: '1000',
      ExposedPorts: { '53/udp': {}, '8080/tcp': {} },
      Env: ['A=b'],
      Entrypoint: ['git'],
      Cmd: ['--version'],
      WorkingDir: '/work',
      Labels: { a: '1', b: '2' },
    }),
  )
})
