import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeBareMachine } from './bare-machine.ts'
import type { BareMachine } from './bare-machine.ts'

type Manifest = { readonly layers: readonly { readonly digest: string; readonly size: number }[] }

const minuteMs = 60_000
const isRoot = process.getuid?.() === 0
const skip = isRoot ? false : 'only root can imitate a machine'

suite('a bare machine', { skip, timeout: 90 * minuteMs }, () => {
  let machine: BareMachine

  before(async () => {
    machine = await makeBareMachine((line) => console.error(`fresh: ${line}`))
  })
  after(() => machine[Symbol.asyncDispose]())

  test('npm start tells an ordinary user without sudo what to type', async () => {
    const result = await machine.run('npm start', { user: 'somebody', timeoutMs: 5 * minuteMs })
    assert.equal(result.exitCode, 1)
    assert.match(result.stderr, /sudo apt-get install .*nix-bin/)
  })

  test('npm start brings what it needs and serves an image', async () => {
    const port = await findFreePort()
    const address = `http://127.0.0.1:${port}`
    await using _server = await machine.start(
      `PORT=${port} npm start`,
      async () => await isServing(address),
      15 * minuteMs,
    )
    assert.ok((await pullLayers(address, 'shell/jq')) > 1)
  })

  test('npm start needs no set-up the second time', async () => {
    const { stderr, exitCode } = await machine.run('npm run set-up', {
      timeoutMs: minuteMs,
    })
    assert.equal(exitCode, 0)
    assert.doesNotMatch(stderr, /set-up:/)
  })

  test('npm test passes', async () => {
    const { exitCode } = await machine.run('npm test', { timeoutMs: 40 * minuteMs })
    assert.equal(exitCode, 0)
  })

  test('set-up leaves no service enabled and no policy behind', () => {
    for (const path of [
      'etc/systemd/system/multi-user.target.wants/docker.service',
      'etc/systemd/system/multi-user.target.wants/containerd.service',
      'usr/sbin/policy-rc.d',
    ]) {
      assert.ok(!existsSync(join(machine.root, path)), path)
    }
  })
})

async function isServing(address: string): Promise<boolean> {
  try {
    return (await fetch(`${address}/v2/`, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // Set-up is still at work.
    return false
  }
}

/** Pulls every layer by its digest and returns how many there are. */
async function pullLayers(address: string, name: string): Promise<number> {
  const accept = 'application/vnd.oci.image.manifest.v1+json'
  const response = await fetch(`${address}/v2/${name}/manifests/latest`, { headers: { accept } })
  assert.equal(response.status, 200, await response.clone().text())
  const { layers } = (await response.json()) as Manifest
  for (const { digest, size } of layers) {
    const blob = await (await fetch(`${address}/v2/${name}/blobs/${digest}`)).bytes()
    assert.equal(blob.length, size)
    assert.equal(`sha256:${createHash('sha256').update(blob).digest('hex')}`, digest)
  }
  return layers.length
}
