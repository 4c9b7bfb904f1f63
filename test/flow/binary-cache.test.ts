import assert from 'node:assert/strict'
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import { pullImage, tryPull } from '#test/anomaly/pull-image.ts'
import { startRegistry } from '#test/anomaly/registry-process.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { serveBinaryCache } from '#test/clients/binary-cache.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'

const skip = skipUnless(['nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb', 'setpriv'], {
  root: true,
})
const nixStore = {
  run: (args: readonly string[]) => runCommand('nix-store', args),
}

test(
  'what one registry builds and pushes, another one serves without building',
  {
    skip,
    timeout: 600_000,
  },
  async () => {
    await using scratch = await makeScratchDirectory()
    const at = (...names: readonly string[]) => join(scratch.path, ...names)
    await mkdir(at('set'))
    await prepareAwkwardSet(at('set'))
    await outputOf(nixStore, ['--generate-binary-cache-key', 'own-1', at('secret'), at('public')])
    // Nobody's cache but the test's.
    await mkdir(at('home/.config/nix'), { recursive: true })
    await writeFile(at('home/.config/nix/nix.conf'), 'substituters =\n')
    const shared = { HOME: at('home'), NIXERY_PKGS_PATH: at('set') }

    await using builder = await startRegistry({
      environment: {
        ...shared,
        NIXERY_STATE_DIRECTORY: at('builder'),
        NIXERY_PUSH_CACHE: `file://${at('cache')}?secret-key=${at('secret')}`,
      },
    })
    const built = await pullImage(builder.url, 'tool')
    await eventually(
      'what was built is pushed',
      () => builder.log.find(({ msg }) => msg === 'pushed to the binary cache'),
      120_000,
    )
    await builder.kill('SIGTERM')
    await removePushed(at('cache'))

    await using cache = await serveBinaryCache(at('cache'))
    await using server = await startRegistry({
      environment: {
        ...shared,
        NIXERY_STATE_DIRECTORY: at('server'),
        NIXERY_SUBSTITUTE_ONLY: 'on',
        NIXERY_SUBSTITUTERS: cache.url,
        NIXERY_TRUSTED_KEYS: (await readFile(at('public'), 'utf8')).trim(),
      },
    })
    assert.equal(await pullImage(server.url, 'tool'), built)
    assert.equal(cache.requests.filter((it) => it.startsWith('GET /nar/')).length, 2)
    const refused = await tryPull(server.url, 'remote/tool')
    assert.ok(refused.kind === 'refused')
    assert.match(refused.answer, /remote-1\.0 is in none of this registry's binary caches/)
  },
)

/** Removes from the store exactly what a cache has. */
async function removePushed(directory: string): Promise<void> {
  const paths: string[] = []
  for await (const file of glob(join(directory, '*.narinfo'))) {
    const path = /^StorePath: (.*)$/m.exec(await readFile(file, 'utf8'))?.[1]
    if (path !== undefined) paths.push(path)
  }
  assert.equal(paths.length, 2)
  await outputOf(nixStore, ['--delete', ...paths])
}
