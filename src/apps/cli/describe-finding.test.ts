import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { describeFinding } from './describe-finding.ts'

const digest = digestOf('layer')
const key = cacheKeyOf('image')

test('describeFinding() says what a damaged blob takes along', () => {
  const corrupt = { kind: 'corrupt-blob', digest, sizeBytes: 5 } as const
  const wrong = `corrupt blob ${digest}: its 5 bytes are not what its name says`
  assert.equal(
    describeFinding({ ...corrupt, images: 3 }, false),
    `${wrong}; 3 images need it; with --repair it is moved into quarantine, and what needs it is removed`,
  )
  assert.equal(
    describeFinding({ ...corrupt, images: 1 }, true),
    `${wrong}; 1 image needs it; moved into quarantine, and what needs it is removed; the next pull makes it again`,
  )
  assert.equal(
    describeFinding({ kind: 'missing-blob', digest, images: 2 }, false),
    `missing blob ${digest}: it is not there; 2 images need it, the next pull makes it again`,
  )
})

test('describeFinding() names images as far as they are known', () => {
  const dangling = { kind: 'dangling-manifest', manifests: [digest], lacks: [digest] } as const
  const about = { name: 'shell/git', platform: 'linux/arm64', revision: 'local-files' }
  const table = [
    [{ ...dangling, key, about }, `manifests/${key}, shell/git (linux/arm64) of local-files: `],
    [{ ...dangling, key }, `manifests/${key}: `],
    [dangling, `${digest}: `],
  ] as const
  for (const [finding, name] of table)
    assert.ok(describeFinding(finding, false).startsWith(`dangling manifest ${name}`), name)
})
