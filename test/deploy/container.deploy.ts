import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { dockerdCommands, startDockerd } from '#test/clients/dockerd.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { outputOf, type Client } from '#test/clients/run-command.ts'
import { mustRun } from '#test/fresh/debian-root.ts'
import { makeDebianBase } from './debian-base.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const minuteMs = 60_000
const skip = skipUnless([...dockerdCommands, 'debootstrap'], { root: true })

suite('the container image', { skip, timeout: 60 * minuteMs }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client
  let port: number
  let digest: string

  before(async () => {
    const base = await makeDebianBase()
    docker = resources.use(await startDockerd())
    port = await findFreePort()
    await outputOf(docker, ['import', base, 'debian-of-this-machine'])
    await outputOf(docker, await buildCommand(), { timeoutMs: 30 * minuteMs, echo: true })
  })
  after(() => resources.disposeAsync())

  const inspect = (format: string, name: string) =>
    outputOf(docker, ['inspect', `--format=${format}`, name]).then((text) => text.trim())
  const logOf = async (name: string) => {
    const { stdout, stderr } = await docker.run(['logs', name])
    return stdout + stderr
  }
  const pullImage = () => outputOf(docker, ['pull', `127.0.0.1:${port}/shell/hello`])
  const findDigest = (output: string) => /^Digest: (\S+)$/m.exec(output)?.[1] ?? ''

  /** As README.md has it, but on the network of the machine: the daemon of the test has no other. */
  async function start(name: string): Promise<void> {
    await outputOf(docker, [
      'run',
      '--detach',
      `--name=${name}`,
      '--network=host',
      `--env=PORT=${port}`,
      '--volume=nixery-nix:/nix',
      '--volume=nixery-state:/var/lib/nixery',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      '--health-interval=2s',
      ...proxySettings().map((setting) => `--env=${setting}`),
      'nixery',
    ])
    const isHealthy = async () => {
      const state = await inspect('{{.State.Status}} {{.State.Health.Status}}', name)
      assert.match(state, /^running (starting|healthy)$/, await logOf(name))
      return state === 'running healthy' || undefined
    }
    await eventually('a healthy container', isHealthy, 5 * minuteMs)
  }

  test('docker run serves an image that it builds, as an ordinary user', async () => {
    await start('first')
    digest = findDigest(await pullImage())
    const greeting = ['run', '--rm', '--network=none', `127.0.0.1:${port}/shell/hello`, 'hello']
    assert.match(await outputOf(docker, greeting), /^Hello, world!/)
    const processes = await outputOf(docker, ['top', 'first', '-eo', 'pid,uid,args'])
    const [, ...lines] = processes.trim().split('\n')
    assert.ok(lines.length >= 2, processes)
    for (const line of lines) assert.match(line, /^\d+ +10001 +(tini|node|\S*nix)/)
  })

  test('docker stop ends the service in time and cleanly while it builds an image', async () => {
    const url = `http://127.0.0.1:${port}/v2/shell/git/python3/manifests/latest`
    const pull = fetch(url).then(({ status }) => status)
    const hasBegun = async () => (await logOf('first')).includes('"name":"shell/git/python3"')
    await eventually('the build', async () => (await hasBegun()) || undefined)
    const startedAtMs = performance.now()
    await outputOf(docker, ['stop', '--time=60', 'first'])
    const tookMs = performance.now() - startedAtMs
    assert.ok(tookMs < 40_000, `${tookMs} ms`)
    assert.equal(await inspect('{{.State.ExitCode}}', 'first'), '0')
    assert.equal(await pull, 503)
    assert.match(await logOf('first'), /"msg":"stopped"/)
    await outputOf(docker, ['rm', 'first'])
  })

  test('docker run finds in its volumes what another container has stored', async () => {
    await start('second')
    assert.equal(findDigest(await pullImage()), digest)
    const log = await logOf('second')
    assert.doesNotMatch(log, /build started/)
    assert.doesNotMatch(log, /package lists/)
  })

  test('docker exec runs the commands of the service beside it', async () => {
    const { exitCode, stdout, stderr } = await docker.run(['exec', 'second', 'nixery', 'verify'])
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /is sound/)
    assert.doesNotMatch(stderr, /WARN/)
  })
})

/** What the files do not say, because it is this machine's: its Debian, npm's registry and proxies. */
async function buildCommand(): Promise<string[]> {
  const registry = (await mustRun('npm', ['config', 'get', 'registry'])).trim()
  const settings = ['BASE=debian-of-this-machine', `NPM_REGISTRY=${registry}`, ...proxySettings()]
  return [
    'build',
    '--network=host',
    '--tag=nixery',
    ...settings.map((setting) => `--build-arg=${setting}`),
    `--file=${join(projectRoot, 'deploy', 'Dockerfile')}`,
    projectRoot,
  ]
}

function proxySettings(): string[] {
  return ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [`${name}=${value}`]
  })
}
