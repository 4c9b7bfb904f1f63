import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startLeasePeer } from '#test/fakes/lease-peer.ts'
import { Leases } from './leases.ts'

/** Longer than the name of a socket may be, as state directories are. */
const deepName = 'lease'.repeat(30)

async function leaseDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-leases-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return join(directory, deepName)
}

test('Leases gives every lease a directory of its own until it is released', async (context) => {
  const directory = await leaseDirectory(context)
  const leases = await Leases.open(directory)
  const [one, other] = [await leases.lease(), await leases.lease()]
  assert.notEqual(one.directory, other.directory)
  await writeFile(join(one.directory, 'root'), '')
  await one.release()
  await one.release()
  await assert.rejects(readdir(one.directory), { code: 'ENOENT' })
  assert.deepEqual(await readdir(other.directory), [])
  await leases.close()
  assert.deepEqual(await readdir(directory), [])
})

test('Leases.open() sweeps what a dead process left, and nothing of one that lives', async (context) => {
  const directory = await leaseDirectory(context)
  const peer = await startLeasePeer(directory)
  const during = await Leases.open(directory)
  assert.deepEqual(await readdir(peer.lease), [], 'the lease of a live peer stays')

  await peer.kill()
  const later = await Leases.open(directory)
  await assert.rejects(readdir(peer.lease), { code: 'ENOENT' })
  assert.equal((await readdir(directory)).length, 2, 'both that are open here stay')
  await during.close()
  await later.close()
})

test('a lease goes whole while links into it are made', async (context) => {
  const leases = await Leases.open(await leaseDirectory(context))
  // One release in sixty comes between a link and the one after it.
  for (let round = 0; round < 60; round += 1) {
    const lease = await leases.lease()
    const links = Array.from({ length: 40 }, (_, count) =>
      symlink('/nix/store/x', join(lease.directory, String(count))),
    )
    await Promise.allSettled([...links, lease.release()])
    await assert.rejects(readdir(lease.directory), { code: 'ENOENT' })
  }
  await leases.close()
})
