import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startLeasePeer } from '#test/fakes/lease-peer.ts'
import { collectStore } from './collect-store.ts'
import { Leases } from './leases.ts'

const { signal } = new AbortController()
const fileBytes = 200_000
/** As an archive, with its frame. */
const pathBytes = fileBytes + 112

/** A store of its own with some paths that nothing holds. */
async function openStore(paths: number) {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const home = join(directory, 'home')
  await mkdir(home)
  const settings = new Map([
    ['store', `local?root=${join(directory, 'root')}`],
    ['build-users-group', ''],
    ['substituters', ''],
  ])
  const config = [...settings].map(([name, value]) => `${name} = ${value}`).join('\n')
  const run = async (...args: readonly string[]) =>
    (
      await outputOf(
        {
          run: (all) => runCommand('nix-store', all, { env: { HOME: home, NIX_CONFIG: config } }),
        },
        args,
      )
    ).trim()
  const added: string[] = []
  for (let count = 0; count < paths; count += 1) {
    const file = join(directory, `file-${count}`)
    await writeFile(file, randomBytes(fileBytes))
    added.push(await run('--add', file))
  }
  const leaseDirectory = join(directory, 'leases')
  const seen: Array<readonly [doneBytes: number, totalBytes: number]> = []
  const collect = (mostPaths: number, dryRun = false) =>
    collectStore(
      { settings, leaseDirectory, inheritedEnvironment: { ...process.env, HOME: home } },
      {
        mostBytes: mostPaths * pathBytes,
        dryRun,
        observe: (done, total) => void seen.push([done, total]),
      },
      signal,
    )
  const hold = (lease: string, path: string) =>
    run('--realise', path, '--add-root', join(lease, 'root'), '--indirect')
  const isThere = async (path: string) =>
    (await run('--check-validity', '--print-invalid', path)) === ''
  const left = async () => {
    const there = await Promise.all(added.map(isThere))
    return added.filter((_, index) => there[index])
  }
  const resources = stack.move()
  return {
    added,
    leaseDirectory,
    seen,
    collect,
    hold,
    left,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

suite('collectStore()', { skip: skipUnless(['nix-store', 'setpriv'], { root: true }) }, () => {
  test('removes nothing from a store that is small enough', async () => {
    await using store = await openStore(3)
    const untouched = { sizeBytes: 3 * pathBytes, removedPaths: 0, removedBytes: 0 }
    assert.deepEqual(await store.collect(3), untouched)
    assert.deepEqual([(await store.left()).length, store.seen], [3, []])
  })

  test('removes what nothing holds until the store is small enough', async () => {
    await using store = await openStore(6)
    const collected = await store.collect(4)
    const left = await store.left()
    assert.ok(left.length <= 4 && left.length >= 2, `${left.length} of 6 are left`)
    assert.deepEqual(collected, {
      sizeBytes: 6 * pathBytes,
      removedPaths: 6 - left.length,
      removedBytes: (6 - left.length) * pathBytes,
    })
    assert.deepEqual(store.seen[0], [0, 2 * pathBytes])
    assert.deepEqual(store.seen.at(-1), [2 * pathBytes, 2 * pathBytes])
  })

  test('leaves what leases hold, but those of dead processes', async () => {
    await using store = await openStore(4)
    const [held = '', abandoned = ''] = store.added
    const leases = await Leases.open(store.leaseDirectory)
    await store.hold((await leases.lease()).directory, held)
    const peer = await startLeasePeer(store.leaseDirectory)
    await store.hold(peer.lease, abandoned)

    const first = await store.collect(0)
    assert.equal(first.removedPaths, 2)
    assert.deepEqual((await store.left()).toSorted(), [held, abandoned].toSorted())
    await peer.kill()
    assert.equal((await store.collect(0, true)).removedPaths, 0)
    assert.equal((await store.left()).length, 2, 'a dry run sweeps nothing')
    assert.equal((await store.collect(0)).removedPaths, 1)
    assert.deepEqual(await store.left(), [held])
    await leases.close()
    assert.equal((await store.collect(0)).removedBytes, pathBytes)
  })

  test('says in a dry run what could go, and leaves it', async () => {
    await using store = await openStore(3)
    const leases = await Leases.open(store.leaseDirectory)
    await store.hold((await leases.lease()).directory, store.added[0]!)
    const sizes = { sizeBytes: 3 * pathBytes, removedPaths: 0, deadBytes: 2 * pathBytes }
    assert.deepEqual(await store.collect(2, true), { ...sizes, removedBytes: pathBytes })
    assert.deepEqual(await store.collect(0, true), { ...sizes, removedBytes: 2 * pathBytes })
    assert.equal((await store.left()).length, 3)
    await leases.close()
  })
})
