import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { checkBlobs } from '#adapters/storage/checked/check-blobs.ts'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { nearCache } from '#adapters/storage/near/near-cache.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { storageContract } from './storage-contract.ts'

/** A storage as two instances on one bucket see it: each through a cache of its own, on one disk. */
async function openNearStorages(context: TestContext): Promise<readonly [Storage, Storage]> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-near-'))
  const far = createMemoryStorage()
  const blobs = checkBlobs(far, { observe: () => undefined })
  const open = async (): Promise<Storage> => ({
    ...far,
    ...(await nearCache({ blobs, upkeep: far.upkeep }, { directory, mostBytes: 64 * 1024 * 1024 })),
  })
  const storages = [await open(), await open()] as const
  context.after(async () => {
    await Promise.all(storages.map((storage) => storage.close()))
    await rm(directory, { recursive: true })
  })
  return storages
}

storageContract('near cache', openNearStorages)
