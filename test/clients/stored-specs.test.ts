import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from './availability.ts'
import { dockerdCommands, startDockerd } from './dockerd.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

const spec = `
packages: [shell, jq]
entrypoint: [jq, --null-input]
cmd: ["6*7"]
env: { GREETING: hello }
user: "65534:65534"
workingDir: /tmp
labels: { org.example.team: tools }
exposedPorts: [8080]
`

suite('a stored spec', { skip: skipUnless(dockerdCommands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client
  let nixery: NixeryServer
  let directory: string

  before(async () => {
    directory = resources.use(await makeScratchDirectory()).path
    await mkdir(join(directory, 'ci'))
    await writeFile(join(directory, 'ci/answer.yaml'), spec)
    await writeFile(join(directory, 'plain.json'), '{"packages": ["jq", "shell"]}')
    await writeFile(join(directory, 'shelled.yml'), 'packages: [shell, jq]')
    docker = resources.use(await startDockerd())
    nixery = resources.use(await startNixery({ NIXERY_IMAGES_DIR: directory }))
  })
  after(() => resources.disposeAsync())

  const digestOf = async (name: string) => {
    const response = await fetch(`http://${nixery.address}/v2/${name}/manifests/latest`)
    assert.equal(response.status, 200, await response.clone().text())
    return response.headers.get('docker-content-digest')
  }

  test('decides how docker starts the image', async () => {
    const image = `${nixery.address}/ci/answer`
    await outputOf(docker, ['pull', image])
    assert.equal(await outputOf(docker, ['run', '--rm', '--network=none', image]), '42\n')
    const run = ['run', '--rm', '--network=none', '--entrypoint=sh', image, '-c']
    const script = 'echo $GREETING; pwd; id -u'
    assert.equal(await outputOf(docker, [...run, script]), 'hello\n/tmp\n65534\n')
    const inspected = JSON.parse(await outputOf(docker, ['image', 'inspect', image])) as {
      Config: { Labels: object; ExposedPorts: object }
    }[]
    assert.deepEqual(inspected[0]?.Config.Labels, { 'org.example.team': 'tools' })
    assert.deepEqual(inspected[0]?.Config.ExposedPorts, { '8080/tcp': {} })
  })

  test('gives the digest that the same image has under any other name', async () => {
    assert.equal(await digestOf('shelled'), await digestOf('shell/jq'))
    assert.notEqual(await digestOf('ci/answer'), await digestOf('shell/jq'))
  })

  test('may change between two pulls, and a broken one is the operator’s to mend', async () => {
    await writeFile(join(directory, 'later.yaml'), 'packages: [jq')
    const broken = await fetch(`http://${nixery.address}/v2/later/manifests/latest`)
    assert.equal(broken.status, 500)
    assert.match(await broken.text(), /SPEC_INVALID/)
    await writeFile(join(directory, 'later.yaml'), 'packages: [jq]')
    assert.equal(await digestOf('later'), await digestOf('jq'))
  })
})
