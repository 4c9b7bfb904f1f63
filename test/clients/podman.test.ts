import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from './availability.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { podmanCommands, preparePodman } from './podman.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'

suite('podman', { skip: skipUnless(podmanCommands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let podman: Client
  let nixery: NixeryServer

  before(async () => {
    nixery = resources.use(await startNixery())
    podman = resources.use(await preparePodman())
  })
  after(() => resources.disposeAsync())

  test('podman pulls an image and runs it', async () => {
    const image = `${nixery.address}/shell/jq`
    await outputOf(podman, ['pull', '--quiet', '--tls-verify=false', image])
    const run = ['run', '--rm', '--network=none', image]
    assert.equal(await outputOf(podman, [...run, 'jq', '--null-input', '6*7']), '42\n')
    const script = 'touch /tmp/x && id -u'
    const asNobody = [...run.slice(0, -1), '--user=65534', image, 'sh', '-c', script]
    assert.equal(await outputOf(podman, asNobody), '65534\n')
  })

  test('podman pulls layers of zstd and runs them', async () => {
    await using zstd = await startNixery({ NIXERY_COMPRESSION: 'zstd' })
    const image = `${zstd.address}/shell/jq`
    await outputOf(podman, ['pull', '--quiet', '--tls-verify=false', image])
    const run = ['run', '--rm', '--network=none', image, 'jq', '--null-input', '6*7']
    assert.equal(await outputOf(podman, run), '42\n')
  })

  test('podman shows which package is missing', async () => {
    const image = `${nixery.address}/shell/no-such-package`
    const { stderr, exitCode } = await podman.run(['pull', '--tls-verify=false', image])
    assert.notEqual(exitCode, 0)
    assert.match(stderr, /no-such-package/)
  })
})
