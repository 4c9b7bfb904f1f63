import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { parseManifestEntry, type ManifestEntry } from './stored-entries.ts'

const image: ManifestEntry = {
  manifests: [{ mediaType: 'any', digest: digestOf('manifest'), size: 8 }],
  blobs: [{ digest: digestOf('layer'), size: 5 }],
}
const about = { name: 'shell/git', platform: 'linux/arm64', revision: 'debian-1' }

test('parseManifestEntry() reads what an image was made for, and does without', () => {
  assert.deepEqual(parseManifestEntry({ ...image, about }), { ...image, about })
  assert.deepEqual(parseManifestEntry(image), image)
})

test('parseManifestEntry() takes an image whose name is none for what it is', () => {
  for (const wrong of [null, 'git', {}, { ...about, name: 'a\u001B[2J' }, { ...about, name: '' }])
    assert.deepEqual(parseManifestEntry({ ...image, about: wrong })?.about, undefined)
  const tooLong = { ...about, name: 'x'.repeat(301) }
  assert.deepEqual(parseManifestEntry({ ...image, about: tooLong })?.blobs, image.blobs)
})

test('parseManifestEntry() gives nothing for what is no entry', () => {
  for (const value of [undefined, null, {}, { ...image, manifests: [] }, { ...image, blobs: 1 }])
    assert.equal(parseManifestEntry(value), undefined)
})
