import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkBlobs } from '#adapters/storage/checked/check-blobs.ts'
import { openFilesystemObjects } from '#adapters/storage/filesystem/filesystem-objects.ts'
import { nearCache } from '#adapters/storage/near/near-cache.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { openSpool } from '#adapters/storage/spool/spool.ts'
import { storageFolders } from '#adapters/storage/storage-layout.ts'
import { digestOf } from '#core/oci/digest.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import { ConfigError, type Config, type StorageSettings } from './config.ts'
import { makeDirectory } from './make-directory.ts'
import { proxySettings } from './proxy-settings.ts'

/**
 * The storage of a service: that of `openStorage` with blobs that are checked when they are read, and, for
 * buckets, copies near by.
 */
export async function openServedStorage(
  config: Config,
  observer: StorageObserver,
): Promise<Storage> {
  await using opened = new AsyncDisposableStack()
  const storage = await openStorage(config)
  opened.defer(() => storage.close())
  const checked = { ...storage, blobs: checkBlobs(storage, observer) }
  const near = await openNear(config, checked, opened)
  const resources = opened.move()
  return { ...near, close: () => resources.disposeAsync() }
}

async function openNear(
  { storage: { kind }, stateDirectory, nearCacheBytes: mostBytes }: Config,
  storage: Storage,
  opened: AsyncDisposableStack,
): Promise<Storage> {
  if (kind === 'filesystem' || mostBytes === 0) return storage
  const near = await nearCache(storage, { directory: join(stateDirectory, 'near'), mostBytes })
  opened.defer(() => near.close())
  return { ...storage, blobs: near.blobs, upkeep: near.upkeep }
}

/** The storage that the configuration names, as it is. */
export async function openStorage(config: Config): Promise<Storage> {
  await using opened = new AsyncDisposableStack()
  const objects = await openObjects(config, opened)
  const storage = createStorage(objects)
  opened.defer(() => storage.close())
  const resources = opened.move()
  return { ...storage, close: () => resources.disposeAsync() }
}

async function openObjects(config: Config, opened: AsyncDisposableStack): Promise<ObjectStore> {
  const { storage, urlTtlMs } = config
  if (storage.kind === 'filesystem') {
    await makeDirectory('STORAGE_PATH', storage.directory)
    return openFilesystemObjects(storage.directory)
  }
  await makeDirectory('NIXERY_STATE_DIRECTORY', config.stateDirectory)
  const spool = await openSpool(join(config.stateDirectory, 'spool'), config.spoolBytes)
  opened.defer(() => spool.close())
  // Loaded by need: either client takes a quarter of a second.
  if (storage.kind === 'gcs') {
    const { openGcsObjects } = await import('#adapters/storage/gcs/gcs-objects.ts')
    return openGcsObjects({ ...storage, urlTtlMs, spool })
  }
  const { openS3Objects } = await import('#adapters/storage/s3/s3-objects.ts')
  return openS3Objects({ ...storage, urlTtlMs, spool, proxies: proxySettings(process.env) })
}

/**
 * Refuses a directory in which no service has stored anything: whoever wants a storage looked after has
 * misspelled it or not mounted it, and would hear that all is well. One folder tells: the service makes
 * them at its start, and those that older versions did not know are made when the storage is opened.
 */
export async function requireStorage(storage: StorageSettings): Promise<void> {
  if (storage.kind !== 'filesystem') return
  const { directory } = storage
  const refuse = (why: string) => new ConfigError(`STORAGE_PATH=${directory} is no storage: ${why}`)
  if (await isAbsent(directory)) throw refuse('there is no such directory')
  const absent = await Promise.all(storageFolders.map((name) => isAbsent(join(directory, name))))
  if (!absent.includes(false))
    throw refuse(
      `the service has made none of its directories there (${storageFolders.join(', ')})`,
    )
}

/** What may not be looked at is there; opening the storage says the rest. */
async function isAbsent(directory: string): Promise<boolean> {
  return stat(directory).then(
    (found) => !found.isDirectory(),
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || error.code === 'ENOTDIR',
  )
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

/** How clients get layers, for people: an address without a query is signed by nobody. */
export async function describeServing(
  { serveBlobs }: Config,
  { locator }: Storage,
  signal: AbortSignal,
): Promise<string> {
  if (serveBlobs === 'proxy' || locator === undefined) return 'through this service'
  const { search } = await locator.locate(digestOf(''), signal)
  return search === '' ? 'from public addresses' : 'from signed addresses'
}
