import { join } from 'node:path'
import { checkBlobs } from '#adapters/storage/checked/check-blobs.ts'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { makeLocalStore, startLocalRegistry, type LocalRegistry } from './local-registry.ts'
import { pullImage } from './pull-image.ts'

/** A storage directory that one image was pulled from, to be copied and tampered with. */
export interface PulledStorage extends AsyncDisposable {
  readonly directory: string
  /** Of the image's manifest. */
  readonly digest: string
  /** For copies; goes with everything else. */
  readonly scratch: string
  /** A registry with another storage directory, whose images have the same digests. */
  serve(directory: string): Promise<LocalRegistry>
  /** Pulls the image from a registry with another storage directory, and gives its digest. */
  pullFrom(directory: string): Promise<string>
}

export const pulledImage = 'program'

export async function makePulledStorage(): Promise<PulledStorage> {
  await using made = new AsyncDisposableStack()
  const scratch = made.use(await makeScratchDirectory())
  const store = made.use(await makeLocalStore(scratch.path))

  async function serve(directory: string): Promise<LocalRegistry> {
    const storage = await openFilesystemStorage(directory)
    const blobs = checkBlobs(storage, { observe: () => {} })
    const registry = await startLocalRegistry(store, { ...storage, blobs })
    return {
      url: registry.url,
      async [Symbol.asyncDispose]() {
        await registry[Symbol.asyncDispose]()
        await storage.close()
      },
    }
  }

  async function pullFrom(directory: string): Promise<string> {
    await using registry = await serve(directory)
    return await pullImage(registry.url, pulledImage)
  }

  const directory = join(scratch.path, 'pulled')
  const digest = await pullFrom(directory)
  const resources = made.move()
  return {
    directory,
    digest,
    scratch: scratch.path,
    serve,
    pullFrom,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
