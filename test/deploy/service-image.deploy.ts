import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { dockerdCommands, startDockerd } from '#test/clients/dockerd.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { outputOf, runCommand, type Client } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { outsideCertificates } from '#test/fresh/debian-root.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const minuteMs = 60_000
const skip = skipUnless([...dockerdCommands, 'nix-store'], { root: true })

suite('the image that the service makes of itself', { skip, timeout: 30 * minuteMs }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client
  let port: number

  before(async () => {
    const { path: directory } = resources.use(await makeScratchDirectory())
    const archive = join(directory, 'nixery.tar')
    const env = {
      NIXERY_STATE_DIRECTORY: await prepareStateDirectory(),
      STORAGE_PATH: join(directory, 'storage'),
    }
    const make = [
      join(projectRoot, 'bootstrap', 'image.js'),
      '--output',
      `docker-archive:${archive}`,
    ]
    const node: Client = { run: (args, options) => runCommand(process.execPath, args, options) }
    await outputOf(node, make, { env, timeoutMs: 15 * minuteMs })
    docker = resources.use(await startDockerd())
    await outputOf(docker, ['load', `--input=${archive}`])
    port = await findFreePort()
    // On the network of the machine: the daemon of the test has no other. Certificates are the machine's.
    await outputOf(docker, [
      'run',
      '--detach',
      '--name=service',
      '--network=host',
      `--env=PORT=${port}`,
      `--volume=${outsideCertificates}:/certificates.crt:ro`,
      '--env=SSL_CERT_FILE=/certificates.crt',
      '--volume=nixery-state:/var/lib/nixery',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      'nixery',
    ])
    await eventually('an answer', answers, 5 * minuteMs)
  })
  after(() => resources.disposeAsync())

  async function answers(): Promise<true | undefined> {
    const state = await outputOf(docker, ['inspect', '--format={{.State.Status}}', 'service'])
    assert.equal(state.trim(), 'running', await readLog())
    const url = `http://127.0.0.1:${port}/v2/`
    const response = await fetch(url).catch(() => undefined)
    return response?.status === 200 || undefined
  }

  async function readLog(): Promise<string> {
    const { stdout, stderr } = await docker.run(['logs', 'service'])
    return stdout + stderr
  }

  const inService = (...command: readonly string[]) =>
    outputOf(docker, ['exec', 'service', ...command])

  test('serves an image that it builds', async () => {
    const name = `127.0.0.1:${port}/shell/hello`
    await outputOf(docker, ['pull', name])
    const greeting = ['run', '--rm', '--network=none', name, 'hello']
    assert.match(await outputOf(docker, greeting), /^Hello, world!/)
  })

  test('knows in Nix what it consists of, and keeps that from being collected', async () => {
    const own = await inService('sh', '-c', 'readlink -f /opt/nixery /bin/git /share/nixery')
    const paths = own
      .trim()
      .split('\n')
      .map((path) => path.split('/', 4).join('/'))
    assert.equal(paths.length, 3)
    await inService('nix-store', '--verify-path', ...paths)
    const garbage = await inService('nix-store', '--gc', '--print-dead')
    for (const path of paths) assert.ok(!garbage.includes(path), path)
  })

  test('shows its page and documentation', async () => {
    for (const path of ['/', '/docs/']) {
      const headers = { Accept: 'text/html' }
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
      assert.equal(response.status, 200)
      assert.match(await response.text(), /<title>/)
    }
  })

  test('ends cleanly, and starts again on what it has', async () => {
    await outputOf(docker, ['stop', '--time=60', 'service'])
    const state = await outputOf(docker, ['inspect', '--format={{.State.ExitCode}}', 'service'])
    assert.equal(state.trim(), '0', await readLog())
    await outputOf(docker, ['start', 'service'])
    await eventually('an answer', answers, minuteMs)
  })
})
