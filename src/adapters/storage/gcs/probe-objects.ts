import { randomUUID } from 'node:crypto'
import { OperatingError } from '#engine/operating-error.ts'
import type { ObjectStore } from '../object-store.ts'
import { storageKeys } from '../storage-layout.ts'

/** Does once what a storage needs all the time; what fails is thrown. */
export async function probeObjects(objects: ObjectStore, signal: AbortSignal): Promise<void> {
  const key = storageKeys.staged(`probe-${randomUUID()}`)
  await objects.put(key, Buffer.from(key), 'text/plain', signal)
  const bytes = await objects.read(key, key.length, signal)
  if (bytes === undefined || Buffer.from(bytes).toString() !== key)
    throw new OperatingError(
      'STORAGE_FAILED',
      `the storage has lost ${key}, which was just written`,
    )
  // What cannot be listed fails at the first page.
  for await (const listed of objects.list('staging', signal)) if (listed.key === key) break
  await objects.remove(key, signal)
}
