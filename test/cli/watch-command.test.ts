import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import {
  prepareStateDirectory,
  startNixery as startServer,
  type NixeryServer,
} from '#test/clients/nixery-server.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { runNixery, startNixery } from './run-nixery.ts'

suite('nixery watch', { skip: skipUnless(['nix-store', 'setpriv']) }, () => {
  const resources = new AsyncDisposableStack()
  let scratch: ScratchDirectory
  let settings: NodeJS.ProcessEnv
  let server: NixeryServer

  before(async () => {
    scratch = resources.use(await makeScratchDirectory())
    const set = join(scratch.path, 'set')
    await mkdir(set)
    await prepareAwkwardSet(set)
    settings = {
      NIXERY_STATE_DIRECTORY: join(scratch.path, 'state'),
      NIXERY_PKGS_PATH: set,
      NIX_TIMEOUT: '20',
    }
    server = resources.use(await startServer(settings))
  })
  after(() => resources.disposeAsync())

  const watch = (...args: readonly string[]) =>
    runNixery(['watch', '--server', `http://${server.address}`, ...args])

  test('orders an image, and shows how its last build went', async () => {
    const ordered = await watch('tool/greeting', '--order')
    assert.equal(ordered.exitCode, 0, ordered.stderr)
    assert.match(ordered.stderr, /linux\/\w+: layer \d+ of \d+ packed: /)
    const digest = ordered.stdout.trim()
    assert.match(digest, /^sha256:[0-9a-f]{64}$/)
    const again = await watch('greeting/tool')
    assert.deepEqual([again.exitCode, again.stdout.trim()], [0, digest])
    const other = await watch('tool/greeting:v1', '--quiet')
    assert.deepEqual([other.exitCode, other.stdout], [1, ''])
    assert.match(other.stderr, /knows of no build of tool\/greeting:v1, /)
  })

  test('follows a pull to its bitter end, and says what the registry says', async () => {
    const pull = fetch(`http://${server.address}/v2/hangs/manifests/latest`)
    const id = await runningBuild(server)
    const [byName, byId, ofOtherTag, pulled] = await Promise.all([
      watch('hangs'),
      watch(id, '--json'),
      watch('hangs:v1', '--order', '--quiet'),
      pull,
    ])
    // Ordered on its own, and refused like a pull of it.
    assert.equal(ofOtherTag.exitCode, 3)
    assert.match(ofOtherTag.stderr, /^nixery: .*\bv1\b/)
    assert.doesNotMatch(ofOtherTag.stderr, new RegExp(id))
    const { errors } = (await pulled.json()) as { errors: Array<{ message: string }> }
    assert.equal(byName.exitCode, 3)
    // Who pulls is shown the last line of the builder, too.
    const [said] = errors[0]?.message.split(', after saying') ?? []
    assert.ok(byName.stderr.includes(`nixery: ${said}`), `${said}\n${byName.stderr}`)
    assert.ok(byName.stderr.endsWith(` (build ${id})\n`), byName.stderr)
    assert.equal(byId.exitCode, 3)
    const result = JSON.parse(byId.stdout.trim().split('\n').at(-1) ?? '') as { status: string }
    assert.equal(result.status, 'failed')
  })

  test('shows the log of a failed order', async () => {
    const { exitCode, stderr } = await watch('fails', '--order')
    assert.equal(exitCode, 3)
    assert.match(stderr, /^fails-1\.0> /m)
    assert.match(stderr, /^nixery: fails-1\.0 failed to build: .* \(build [0-9a-f]{12}\)$/m)
  })

  test('gives up its order with Ctrl-C', async () => {
    const args = ['watch', 'hangs', '--order', '--server', `http://${server.address}`]
    const watching = startNixery(args, {})
    await watching.saying(/building hangs-1\.0/)
    watching.interrupt()
    assert.equal(await watching.ended, 130, watching.output())
    const last = await watch('hangs')
    assert.equal(last.exitCode, 1)
    assert.match(last.stderr, /nixery: cancelled/)
  })

  test('says that an image is stored when no build of it is remembered', async () => {
    const stored = {
      NIXERY_STATE_DIRECTORY: await prepareStateDirectory(),
      STORAGE_PATH: join(scratch.path, 'storage'),
      NIXERY_PLATFORMS: 'linux/amd64,linux/arm64',
    }
    const { stdout, exitCode } = await runNixery(['build', 'hello', '--json'], stored)
    assert.equal(exitCode, 0)
    const { manifests } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      manifests: readonly string[]
    }
    await using beside = await startServer(stored)
    const watchStored = (...args: readonly string[]) =>
      runNixery(['watch', ...args, '--server', `http://${beside.address}`])
    const both = await watchStored('hello')
    assert.deepEqual(both, {
      exitCode: 0,
      stdout: manifests.map((digest) => `${digest}\n`).join(''),
      stderr: 'hello is stored for linux/amd64 and linux/arm64, ready to pull\n',
    })
    const one = await watchStored('arm64/hello', '--json')
    assert.deepEqual(
      [one.exitCode, JSON.parse(one.stdout)],
      [
        0,
        {
          kind: 'result',
          status: 'stored',
          name: 'arm64/hello',
          tag: 'latest',
          platform: 'linux/arm64',
          manifest: manifests[1],
        },
      ],
    )
    const other = await watchStored('hello:nothing')
    assert.equal(other.exitCode, 1)
    assert.match(other.stderr, /^nixery: \S+ knows of no build of hello:nothing, .*--order\n$/)
  })

  test('says what is wrong with the server', async () => {
    const unknown = await watch('nothing')
    assert.equal(unknown.exitCode, 1)
    assert.match(unknown.stderr, /knows of no build of nothing, .*--order/)
    await using silent = await startServer({ ...settings, NIXERY_WEB: 'off' })
    const off = await runNixery(['watch', 'x', '--server', `http://${silent.address}`])
    assert.equal(off.exitCode, 1)
    assert.match(off.stderr, /tells nothing of its builds: it has NIXERY_WEB=off/)

    const other = createServer((_, response) => response.end('<html>'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const strange = await runNixery(['watch', 'x', '--server', `http://127.0.0.1:${port}`])
    other.close()
    assert.equal(strange.exitCode, 1)
    assert.match(strange.stderr, /no Nixery answers at http:\/\/127\.0\.0\.1:\d+: .*--server/)
    const gone = await runNixery(['watch', 'x', '--server', `http://127.0.0.1:${port}`])
    assert.equal(gone.exitCode, 1)
    assert.match(gone.stderr, /^nixery: \S+ cannot be reached/)
  })
})

/** The id of the build that a pull has just started. */
async function runningBuild(server: NixeryServer): Promise<string> {
  const find = async () => {
    const response = await fetch(`http://${server.address}/api/v1/builds`)
    const { builds } = (await response.json()) as { builds: Array<{ id: string; status: string }> }
    return builds.find(({ status }) => status === 'running')?.id
  }
  return eventually('a running build', find, 60_000)
}
