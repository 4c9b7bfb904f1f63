import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from './availability.ts'
import { skopeo, umoci } from './image-tools.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { findLayoutViolations } from './oci-layout.ts'
import { outputOf } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

suite('skopeo and umoci', { skip: skipUnless(['skopeo']) }, () => {
  const resources = new AsyncDisposableStack()
  let nixery: NixeryServer
  let layout: string

  before(async () => {
    nixery = resources.use(await startNixery())
    layout = join(resources.use(await makeScratchDirectory()).path, 'layout')
    const copy = ['copy', '--src-tls-verify=false', '--preserve-digests']
    await outputOf(skopeo, [...copy, `docker://${nixery.address}/shell/jq`, `oci:${layout}:jq`])
    const armImage = `docker://${nixery.address}/arm64/jq`
    await outputOf(skopeo, [...copy, armImage, `oci:${layout}:arm64`])
  })
  after(() => resources.disposeAsync())

  const inspect = async (server: NixeryServer, name: string) =>
    JSON.parse(
      await outputOf(skopeo, [
        'inspect',
        '--tls-verify=false',
        `docker://${server.address}/${name}`,
      ]),
    ) as { Digest: string; Architecture: string; Os: string; Layers: string[] }

  test('skopeo copies images in which everything is as the specification asks', async () => {
    assert.deepEqual(await findLayoutViolations(layout), [])
  })

  test('skopeo copies layers of zstd, in which everything is as the specification asks', async () => {
    await using zstd = await startNixery({ NIXERY_COMPRESSION: 'zstd' })
    await using target = await makeScratchDirectory()
    const zstdLayout = join(target.path, 'layout')
    const copy = ['copy', '--src-tls-verify=false', '--preserve-digests']
    await outputOf(skopeo, [...copy, `docker://${zstd.address}/shell/jq`, `oci:${zstdLayout}:jq`])
    assert.deepEqual(await findLayoutViolations(zstdLayout), [])
  })

  test('skopeo inspects the platform of an image', async () => {
    const amd = await inspect(nixery, 'amd64/shell/jq')
    const arm = await inspect(nixery, 'arm64/jq')
    assert.deepEqual([amd.Os, amd.Architecture], ['linux', 'amd64'])
    assert.deepEqual([arm.Os, arm.Architecture], ['linux', 'arm64'])
  })

  test('skopeo sees one digest for one set of packages in any order', async () => {
    const [one, other] = await Promise.all([
      inspect(nixery, 'shell/jq/curl'),
      inspect(nixery, 'shell/curl/jq/curl'),
    ])
    assert.equal(one.Digest, other.Digest)
  })

  test('skopeo sees the digests of another instance with a storage of its own', async () => {
    await using other = await startNixery()
    const [here, there] = [await inspect(nixery, 'shell/jq'), await inspect(other, 'shell/jq')]
    assert.deepEqual(there.Layers, here.Layers)
    assert.equal(there.Digest, here.Digest)
  })

  test('skopeo gets Docker’s own manifest type when it asks for that', async () => {
    const target = `dir:${join(layout, '..', 'docker')}`
    const copy = ['copy', '--src-tls-verify=false', '--format=v2s2']
    await outputOf(skopeo, [...copy, `docker://${nixery.address}/shell/jq`, target])
  })

  test('umoci unpacks the image', { skip: skipUnless(['umoci']) }, async () => {
    await using bundle = await makeScratchDirectory()
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
    const folder = join(bundle.path, 'bundle')
    await outputOf(umoci, ['unpack', ...rootless, '--image', `${layout}:jq`, folder])
    for (const path of ['tmp', 'etc/passwd', 'nix/store']) {
      assert.ok(existsSync(join(folder, 'rootfs', path)), path)
    }
  })
})
