import type { Platform } from '#core/nix/system.ts'
import { onPlatform } from '#core/request/image-request.ts'
import { imageKey, type ImageSettings } from '../cached-manifests.ts'
import { findMissingBlobs } from '../find-missing-blobs.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { EntryStore } from '../ports/entry-store.ts'
import type { ResolvedImage } from '../resolve-image.ts'
import { parseManifestEntry, type ManifestEntry } from '../stored-entries.ts'

export interface StoredImageTools extends ImageSettings {
  readonly entries: EntryStore
  readonly blobs: BlobReader
}

export interface StoredImage {
  readonly platform: Platform
  readonly image: ManifestEntry
}

/**
 * The image of the first of these platforms that has one. To look at an image is no use of it: nothing is
 * claimed, and an entry that lacks something is left to the next pull, which mends it.
 */
export async function findStoredImage(
  tools: StoredImageTools,
  { request, basis }: ResolvedImage,
  platforms: readonly Platform[],
  signal: AbortSignal,
): Promise<StoredImage | undefined> {
  if (!basis.pinned.fixed) return undefined
  for (const platform of platforms) {
    const key = imageKey(tools, onPlatform(request, platform), basis)
    const image = parseManifestEntry(await tools.entries.get('manifests', key, signal))
    if (image !== undefined && (await isWhole(tools.blobs, image, signal)))
      return { platform, image }
  }
  return undefined
}

async function isWhole(
  blobs: BlobReader,
  { manifests, blobs: needed }: ManifestEntry,
  signal: AbortSignal,
): Promise<boolean> {
  return (await findMissingBlobs(blobs, [...manifests, ...needed], signal)).length === 0
}
