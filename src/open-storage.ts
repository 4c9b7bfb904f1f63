import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { Config, StorageSettings } from './config.ts'
import { ConfigError } from './config.ts'
import { makeDirectory } from './make-directory.ts'

/** The storage that the configuration names. */
export async function openStorage(config: Config): Promise<Storage> {
  const { storage } = config
  switch (storage.kind) {
    case 'filesystem':
      await makeDirectory('STORAGE_PATH', storage.directory)
      return openFilesystemStorage(storage.directory)
    case 'gcs':
    case 's3':
      throw new ConfigError(`NIXERY_STORAGE_BACKEND=${storage.kind} is not served yet`)
  }
}

/** Where images are, for people. */
export function describeStorage(storage: StorageSettings): string {
  switch (storage.kind) {
    case 'filesystem':
      return storage.directory
    case 'gcs':
      return `gs://${storage.bucket}`
    case 's3':
      return `s3://${storage.bucket}`
  }
}
