import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { arm64Commands, enableArm64 } from './arm64.ts'
import { skipUnless } from './availability.ts'
import { dockerdCommands, startDockerd } from './dockerd.ts'
import { skopeo } from './image-tools.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'

const commands = [...dockerdCommands, ...arm64Commands, 'skopeo']

suite('a name without a platform', { skip: skipUnless(commands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client
  let nixery: NixeryServer
  let image: string

  before(async () => {
    resources.use(await enableArm64())
    docker = resources.use(await startDockerd())
    nixery = resources.use(
      await startNixery({ NIXERY_PLATFORMS: 'linux/amd64,linux/arm64', NIX_TIMEOUT: '300' }),
    )
    image = `${nixery.address}/shell/jq`
  })
  after(() => resources.disposeAsync())

  const inspectArguments = (...options: readonly string[]) => [
    'inspect',
    '--tls-verify=false',
    ...options,
    `docker://${image}`,
  ]

  test('is an index whose images docker runs, each on its platform', async () => {
    for (const [platform, machine] of [
      ['linux/amd64', 'x86_64'],
      ['linux/arm64', 'aarch64'],
    ]) {
      await outputOf(docker, ['pull', `--platform=${platform}`, image])
      const run = ['run', '--rm', '--network=none', `--platform=${platform}`, image]
      const script = 'uname --machine && jq --null-input 6*7'
      assert.equal(await outputOf(docker, [...run, 'sh', '-c', script]), `${machine}\n42\n`)
    }
  })

  test('lets clients of either machine find their own platform', async () => {
    const own = JSON.parse(await outputOf(skopeo, inspectArguments())) as { Architecture: string }
    assert.equal(own.Architecture, process.arch === 'arm64' ? 'arm64' : 'amd64')
    // A program that was compiled for arm64 asks for arm64, whatever runs it.
    const armSkopeo = `${nixery.address}/arm64/skopeo`
    await outputOf(docker, ['pull', '--platform=linux/arm64', armSkopeo])
    const run = ['run', '--rm', '--network=host', '--platform=linux/arm64', armSkopeo, 'skopeo']
    const other = await outputOf(docker, [...run, ...inspectArguments()])
    assert.equal((JSON.parse(other) as { Architecture: string }).Architecture, 'arm64')
  })

  test('leaves out a platform that Debian does not have the package for', async () => {
    const ask = (name: string) => fetch(`http://${nixery.address}/v2/${name}/manifests/latest`)
    const index = (await (await ask('cpuid')).json()) as { manifests: { platform: object }[] }
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform),
      [{ architecture: 'amd64', os: 'linux' }],
    )
    const forced = await ask('arm64/cpuid')
    assert.equal(forced.status, 404)
    assert.match(await forced.text(), /cpuid does not exist for this platform/)
  })

  test('gives the first platform to a client that reads no index', async () => {
    const accept = 'application/vnd.docker.distribution.manifest.v2+json'
    const url = `http://${nixery.address}/v2/shell/jq/manifests/latest`
    const response = await fetch(url, { headers: { accept } })
    assert.equal(response.headers.get('content-type'), accept)
    const { config } = (await response.json()) as { config: { digest: string } }
    const blob = await fetch(`http://${nixery.address}/v2/shell/jq/blobs/${config.digest}`)
    assert.equal(((await blob.json()) as { architecture: string }).architecture, 'amd64')
  })
})
