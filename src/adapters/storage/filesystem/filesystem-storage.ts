import type { Storage } from '#engine/ports/storage.ts'
import { createStorage } from '../object-storage.ts'
import { openFilesystemObjects } from './filesystem-objects.ts'

/** A storage in a directory; see `openFilesystemObjects`. */
export async function openFilesystemStorage(root: string): Promise<Storage> {
  return createStorage(await openFilesystemObjects(root))
}
