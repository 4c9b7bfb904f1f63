import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openGcsObjects } from '#adapters/storage/gcs/gcs-objects.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { openSpool } from '#adapters/storage/spool/spool.ts'
import { gcsEmulatorProgram, startGcsEmulator } from '#test/storage/gcs-emulator.ts'
import { storageContract } from './storage-contract.ts'

const program = await gcsEmulatorProgram()
if ('skip' in program) test('a bucket of Google Cloud Storage', { skip: program.skip })
else await testBucket(program.path)

async function testBucket(path: string): Promise<void> {
  const emulator = await startGcsEmulator(path)
  const root = await mkdtemp(join(tmpdir(), 'nixery-gcs-'))
  const spool = await openSpool(root, 64 * 1024 * 1024)
  after(async () => {
    await emulator[Symbol.asyncDispose]()
    await spool.close()
    await rm(root, { recursive: true })
  })
  storageContract('gcs', async (context) => {
    const { endpoint } = emulator
    const bucket = await emulator.makeBucket()
    const open = () => openGcsObjects({ bucket, endpoint, urlTtlMs: 60_000, spool })
    const views = [await open(), await open()] as const
    context.after(async () => {
      for (const objects of views) await objects.close()
    })
    return [createStorage(views[0]), createStorage(views[1])]
  })
}
