import assert from 'node:assert/strict'
import { glob, mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { probeNix } from '#adapters/nix/probe-nix.ts'
import { pullImage } from '#test/anomaly/pull-image.ts'
import { startRegistry } from '#test/anomaly/registry-process.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareNewerNix } from '#test/clients/newer-nix.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const missing = skipUnless(['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb', 'setpriv'], {
  root: true,
})
const newer = missing === false ? await prepareNewerNix() : { skip: missing }
const skip = 'skip' in newer && newer.skip
const binDirectory = 'skip' in newer ? '' : newer.binDirectory

describe('a newer Nix', { skip }, () => {
  test('is newer than the one of this machine', async () => {
    const signal = AbortSignal.timeout(60_000)
    const inheritedEnvironment = process.env
    const own = await probeNix({ inheritedEnvironment }, signal)
    const other = await probeNix({ inheritedEnvironment, binDirectory }, signal)
    const numeric = { numeric: true }
    assert.ok(other.version.localeCompare(own.version, 'en', numeric) > 0, other.version)
  })

  test('passes the tests of the Nix adapter', { timeout: 900_000 }, async () => {
    const files = await Array.fromAsync(glob('src/adapters/nix/*.test.ts', { cwd: projectRoot }))
    const paths = files.sort().map((file) => join(projectRoot, file))
    const { exitCode, stdout } = await runCommand(
      process.execPath,
      ['--test', '--test-reporter=tap', '--test-concurrency=2', ...paths],
      {
        // Without the variable the inner runner would speak the language of the outer one.
        env: {
          PATH: `${binDirectory}${delimiter}${process.env['PATH']}`,
          NODE_TEST_CONTEXT: undefined,
        },
      },
    )
    const failed = stdout.split('\n').filter((line) => /^\s*not ok /.test(line))
    assert.deepEqual([exitCode, failed], [0, []])
    assert.doesNotMatch(stdout, /# SKIP/)
  })

  test('makes the same image', { timeout: 900_000 }, async () => {
    await using scratch = await makeScratchDirectory()
    const setDirectory = join(scratch.path, 'set')
    await mkdir(setDirectory)
    await prepareAwkwardSet(setDirectory)
    // The newer one first: it has to build what the other finds in the store.
    const digests: string[] = []
    const versions: unknown[] = []
    for (const environment of [{ NIXERY_NIX_BIN: binDirectory }, {}]) {
      const stateDirectory = join(scratch.path, `state-${digests.length}`)
      await using registry = await startRegistry({
        environment: {
          ...environment,
          NIXERY_STATE_DIRECTORY: stateDirectory,
          NIXERY_PKGS_PATH: setDirectory,
        },
      })
      versions.push(registry.log.find(({ msg }) => msg === 'Nix found')?.['version'])
      digests.push(await pullImage(registry.url, 'tool/many-outputs/odd-name'))
    }
    assert.equal(versions[0], 'skip' in newer ? '' : newer.version)
    assert.notEqual(versions[0], versions[1])
    assert.equal(digests[0], digests[1])
  })
})
