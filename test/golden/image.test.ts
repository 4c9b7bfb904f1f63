import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assembleImage } from '#core/assembly/image-documents.ts'
import { imageOptions } from '#core/assembly/image-options.ts'
import { parseStorePath } from '#core/nix/store-path.ts'
import { platformOf } from '#core/nix/system.ts'
import { digestOf } from '#core/oci/digest.ts'
import { makeRootLayer } from '#engine/make-root-layer.ts'
import type { StoreEntry, StoreFiles } from '#engine/ports/store-files.ts'

// An image that is cached stays as it is. When one of these digests changes, equal names begin to
// give other images: raise `imageFormat` in src/engine/serve-manifest.ts with it.

const bash = parseStorePath(`/nix/store/${'0'.repeat(32)}-bash-5.2`)!
const certificates = parseStorePath(`/nix/store/${'1'.repeat(32)}-cacert-1.0`)!
const directory = (name: string): StoreEntry => ({ name, kind: 'directory' })
const file = (name: string): StoreEntry => ({ name, kind: 'file' })

const listings = new Map<string, readonly StoreEntry[]>([
  [bash, [directory('bin'), directory('share')]],
  [`${bash}/bin`, [file('bash')]],
  [`${bash}/share`, [directory('doc')]],
  [certificates, [directory('etc')]],
  [`${certificates}/etc`, [directory('ssl')]],
  [`${certificates}/etc/ssl`, [directory('certs')]],
  [`${certificates}/etc/ssl/certs`, [file('ca-bundle.crt')]],
])
const files: StoreFiles = {
  list: async (path) => listings.get(path) ?? [],
  propagated: async () => [],
}

test('makeRootLayer() makes the root of an image as before', async () => {
  const root = await makeRootLayer([[bash], [certificates]], files, new AbortController().signal)
  assert.ok(root.kind === 'root-layer')
  const entries = root.entries.map((entry) =>
    entry.kind === 'file' ? { ...entry, contents: Buffer.from(entry.contents).toString() } : entry,
  )
  assert.deepEqual(root.facts, { bash: true, caBundle: true })
  assert.equal(
    digestOf(JSON.stringify(entries)),
    'sha256:95ac52a3fa21fc902218176ae7913dd63d5533b2e9a5b1f34a5e519400a5fead',
  )
})

test('assembleImage() writes the documents of an image as before', () => {
  const request = { platform: platformOf('arm64'), shell: true, packages: ['jq'], options: {} }
  const layer = {
    digest: digestOf('a'),
    diffId: digestOf('b'),
    sizeBytes: 3,
    createdBy: 'nixery: jq-1.6',
  }
  const options = imageOptions(request, { bash: true, caBundle: true })
  const { ociManifest, dockerManifest } = assembleImage(request.platform, [layer], options, 'gzip')
  assert.equal(
    ociManifest.digest,
    'sha256:cf95a02d9f099468a482cab134d3e529740802c9636602eeb55f84601ead1089',
  )
  assert.equal(
    dockerManifest.digest,
    'sha256:b431d91564be3ce40436ac5c051e839ccdcfb033a8feedb1c85683f4a1f9d407',
  )
})
