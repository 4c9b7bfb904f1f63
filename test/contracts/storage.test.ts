import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { storageContract } from './storage-contract.ts'

storageContract('memory', async () => {
  const storage = createMemoryStorage()
  return [storage, storage]
})

storageContract('filesystem', async (context) => {
  const root = await mkdtemp(join(tmpdir(), 'nixery-storage-'))
  const storages = [await openFilesystemStorage(root), await openFilesystemStorage(root)] as const
  context.after(async () => {
    for (const storage of storages) await storage.close()
    await rm(root, { recursive: true })
  })
  return storages
})
