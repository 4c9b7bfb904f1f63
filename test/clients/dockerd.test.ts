import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { arm64Commands, enableArm64 } from './arm64.ts'
import { skipUnless } from './availability.ts'
import { dockerdCommands, startDockerd } from './dockerd.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

const packages = 'shell/git/htop/curl/jq/python3'

suite('docker', { skip: skipUnless(dockerdCommands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client
  let nixery: NixeryServer
  let image: string

  before(async () => {
    nixery = resources.use(await startNixery())
    docker = resources.use(await startDockerd())
    image = `${nixery.address}/${packages}`
    await outputOf(docker, ['pull', image])
  })
  after(() => resources.disposeAsync())

  /** What a container of the image prints. */
  const run = (command: readonly string[], options: readonly string[] = ['--network=none']) =>
    outputOf(docker, ['run', '--rm', ...options, image, ...command])
  const runScript = (script: string, options?: readonly string[]) =>
    run(['sh', '-e', '-c', script], options)

  const versions = [
    { program: 'git', expected: /^git version 2\./ },
    { program: 'htop', expected: /^htop 3\./ },
    { program: 'curl', expected: /^curl \d/ },
    { program: 'jq', expected: /^jq-1\./ },
    { program: 'python3', expected: /^Python 3\./ },
    { program: 'bash', expected: /^GNU bash/ },
    { program: 'nano', expected: /GNU nano/ },
  ]
  for (const { program, expected } of versions) {
    test(`docker run starts ${program}`, async () => {
      assert.match(await run([program, '--version']), expected)
    })
  }

  test('docker run makes a commit with git', async () => {
    const script = `
      cd /tmp && git init --quiet repository && cd repository
      echo text > file && git add file
      git -c user.name=a -c user.email=a@b commit --quiet --message=first
      git log --format=%s`
    assert.equal(await runScript(script), 'first\n')
  })

  test('docker run finds compiled modules and certificates from python3', async () => {
    const script = `
import json, sqlite3, ssl
certificates = ssl.create_default_context().cert_store_stats()["x509_ca"]
print(json.dumps({"certificates": certificates, "sqlite": sqlite3.sqlite_version_info[0]}))`
    const { certificates, sqlite } = JSON.parse(await run(['python3', '-c', script])) as {
      certificates: number
      sqlite: number
    }
    assert.ok(certificates > 50, `${certificates} certificates`)
    assert.equal(sqlite, 3)
  })

  test('docker run transfers with curl and filters with jq', async () => {
    const url = `http://${nixery.address}/v2/shell/no-such-package/manifests/latest`
    const script = `curl --silent ${url} | jq --raw-output '.errors[0].code'`
    assert.equal(await runScript(script, ['--network=host']), 'MANIFEST_UNKNOWN\n')
  })

  test('docker run has the certificates where programs look for them', async () => {
    const script = `
import os
for path in [os.environ["SSL_CERT_FILE"], "/etc/ssl/certs/ca-bundle.crt"]:
    print(open(path).read().count("BEGIN CERTIFICATE"))`
    const counts = (await run(['python3', '-c', script])).trim().split('\n').map(Number)
    assert.equal(counts.length, 2)
    assert.ok(
      counts.every((count) => count > 50),
      counts.join(', '),
    )
  })

  test('docker run --user writes to /tmp as somebody without a name', async () => {
    const script = 'touch /tmp/x /var/tmp/x && id -u && stat --format=%u /tmp/x'
    assert.equal(await runScript(script, ['--network=none', '--user=65534']), '65534\n65534\n')
  })

  test('docker run knows root and finds sh and env at their usual places', async () => {
    const script = 'whoami; /usr/bin/env -i /bin/sh -c "echo works"'
    assert.equal(await runScript(script), 'root\nworks\n')
  })

  test('docker image inspect shows a config that starts a shell', async () => {
    const format = ['image', 'inspect', '--format', '{{json .Config}}', image]
    const config = JSON.parse(await outputOf(docker, format)) as {
      Cmd: string[]
      Env: string[]
    } | null
    assert.match(config?.Cmd[0] ?? '', /bash$/)
    assert.ok(config?.Env.some((variable) => variable.startsWith('PATH=')))
  })

  test('docker pull reads zstd from version 23 on, and fails before', async () => {
    await using zstd = await startNixery({ NIXERY_COMPRESSION: 'zstd' })
    const zstdImage = `${zstd.address}/shell/jq`
    const version = await outputOf(docker, ['version', '--format={{.Server.Version}}'])
    const { stderr, exitCode } = await docker.run(['pull', zstdImage])
    if (Number.parseInt(version) < 23) return assert.match(stderr, /invalid tar header/)
    assert.equal(exitCode, 0, stderr)
    const command = ['run', '--rm', '--network=none', zstdImage, 'jq', '--null-input', '6*7']
    assert.equal(await outputOf(docker, command), '42\n')
  })

  test('docker pull says that the second pull brings nothing new', async () => {
    assert.match(await outputOf(docker, ['pull', image]), /Image is up to date/)
  })

  test('docker pull takes the digest of an image', async () => {
    const format = ['image', 'inspect', '--format', '{{index .RepoDigests 0}}', image]
    const byDigest = (await outputOf(docker, format)).trim()
    assert.match(byDigest, /@sha256:[0-9a-f]{64}$/)
    assert.match(await outputOf(docker, ['pull', byDigest]), /Image is up to date/)
  })

  test('docker pull shows which package is missing and the nearest names', async () => {
    const { stderr, exitCode } = await docker.run(['pull', `${nixery.address}/shell/htpo`])
    assert.equal(exitCode, 1)
    assert.match(stderr, /htpo/)
    assert.match(stderr, /\bhtop\b/)
  })

  test('docker push is refused', async () => {
    const { exitCode } = await docker.run(['push', image])
    assert.equal(exitCode, 1)
  })

  test('docker build takes the image as its base', async () => {
    await using context = await makeScratchDirectory()
    const folder = join(context.path, 'context')
    await mkdir(folder)
    await writeFile(
      join(folder, 'Dockerfile'),
      `FROM ${image}\nRUN jq --null-input 6*7 > /answer\n`,
    )
    // The classic builder is part of every dockerd; BuildKit's client may not be installed.
    const build = ['build', '--network=none', '--tag=derived', folder]
    await outputOf(docker, build, { env: { DOCKER_BUILDKIT: '0' } })
    assert.equal(
      await outputOf(docker, ['run', '--rm', '--network=none', 'derived', 'cat', '/answer']),
      '42\n',
    )
  })

  test('docker run emulates an arm64 image', { skip: skipUnless(arm64Commands) }, async () => {
    await using _arm64 = await enableArm64()
    const armImage = `${nixery.address}/arm64/shell/jq`
    await outputOf(docker, ['pull', '--platform=linux/arm64', armImage])
    const script = 'uname --machine && jq --null-input 6*7'
    const command = ['run', '--rm', '--network=none', '--platform=linux/arm64', armImage]
    assert.equal(await outputOf(docker, [...command, 'sh', '-e', '-c', script]), 'aarch64\n42\n')
  })
})
