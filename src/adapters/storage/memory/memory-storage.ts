import type { Storage } from '#engine/ports/storage.ts'
import { createStorage } from '../object-storage.ts'
import { createMemoryObjects } from './memory-objects.ts'

/** A storage that ends with the process. */
export function createMemoryStorage(): Storage {
  return createStorage(createMemoryObjects())
}
