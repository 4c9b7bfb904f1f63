import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from './availability.ts'
import { containerdCommands, startContainerd } from './containerd.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

// The service holds each request of containerd for half a minute.
const maxAttempts = 10

suite('containerd', { skip: skipUnless(containerdCommands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let ctr: Client
  let nixery: NixeryServer

  before(async () => {
    nixery = resources.use(await startNixery())
    ctr = resources.use(await startContainerd())
  })
  after(() => resources.disposeAsync())

  /** Pulls like kubelet: what is still being built after its patience is asked for again. */
  async function pull(args: readonly string[]): Promise<void> {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const { stderr, exitCode } = await ctr.run(['images', 'pull', ...args])
      if (exitCode === 0) return
      assert.match(stderr, /503 Service Unavailable/)
    }
    assert.fail(`${args.join(' ')} is still being built after ${maxAttempts} attempts`)
  }

  test('ctr pulls an image and runs it', async () => {
    const image = `${nixery.address}/shell/jq:latest`
    await pull(['--plain-http', image])
    const run = ['run', '--rm', image, 'first', 'jq', '--null-input', '6*7']
    assert.equal(await outputOf(ctr, run), '42\n')
  })

  test('ctr pulls layers of zstd and runs them', async () => {
    await using zstd = await startNixery({ NIXERY_COMPRESSION: 'zstd' })
    const image = `${zstd.address}/shell/jq:latest`
    await pull(['--plain-http', image])
    const run = ['run', '--rm', image, 'third', 'jq', '--null-input', '6*7']
    assert.equal(await outputOf(ctr, run), '42\n')
  })

  test('ctr pulls an image of another platform', async () => {
    const image = `${nixery.address}/arm64/shell/jq:latest`
    await pull(['--plain-http', '--platform=linux/arm64', image])
    const list = await outputOf(ctr, ['images', 'list'])
    assert.match(list, /arm64\/shell\/jq:latest .* linux\/arm64/)
  })

  test('ctr pulls through a mirror, which sees the name of the mirrored registry', async () => {
    await using hosts = await makeScratchDirectory()
    const folder = join(hosts.path, 'registry.invalid')
    await mkdir(folder)
    const mirror = `[host."http://${nixery.address}"]\n  capabilities = ["pull", "resolve"]\n`
    await writeFile(join(folder, 'hosts.toml'), mirror)
    const image = 'registry.invalid/shell/jq:latest'
    await pull([`--hosts-dir=${hosts.path}`, image])
    const run = ['run', '--rm', image, 'second', 'jq', '--version']
    assert.match(await outputOf(ctr, run), /^jq-1\./)
  })

  test('ctr says that an unknown package is not found', async () => {
    const image = `${nixery.address}/shell/no-such-package:latest`
    const { stderr, exitCode } = await ctr.run(['images', 'pull', '--plain-http', image])
    assert.equal(exitCode, 1)
    assert.match(stderr, /not found/)
  })
})
