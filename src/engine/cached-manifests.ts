import type { Popularity } from '#core/layers/popularity.ts'
import { formatPlatform } from '#core/nix/system.ts'
import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'
import { onPlatform, type ImageRequest, type PlatformRequest } from '#core/request/image-request.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import type { BlobReader } from './ports/blob-store.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { PinnedSource } from './ports/package-source.ts'
import type { Compression } from './ports/packer.ts'
import { parseManifestEntry, type ManifestEntry } from './stored-entries.ts'

// Raise this when the documents of an equal request change: every cached manifest is then made anew.
const imageFormat = 1

/** Where images are found again. */
export interface ManifestStore {
  readonly entries: EntryStore
  readonly blobs: BlobReader
}

/** What the configuration adds to the content of every image. */
export interface ImageSettings {
  readonly policy: PackagePolicy
  readonly layerBudget: number
  readonly compression: Compression
}

/** What all images of one answer are made from, whatever changes meanwhile. */
export interface Basis {
  readonly pinned: PinnedSource
  readonly popularity: Popularity
}

/** Everything that decides the image's content; not the compressor's build, see `EntryStore`. */
export function imageKey(
  { policy, layerBudget, compression: { codec, level } }: ImageSettings,
  { platform, shell, packages, options }: PlatformRequest,
  { pinned, popularity }: Basis,
): CacheKey {
  return cacheKeyOf({
    format: imageFormat,
    source: pinned.identity,
    policy: { ...policy },
    platform: formatPlatform(platform),
    packages,
    shell,
    options: { ...options },
    layerBudget,
    popularity: popularity.kind === 'snapshot' ? popularity.version : null,
    compression: { codec, level },
  })
}

/** An index is decided by the images that it may list. */
export function indexKey(settings: ImageSettings, request: ImageRequest, basis: Basis): CacheKey {
  return cacheKeyOf({
    index: request.platforms.map((platform) =>
      imageKey(settings, onPlatform(request, platform), basis),
    ),
  })
}

/** A cached manifest counts only while every blob that it needs is there, whole. */
export async function readUsableManifest(
  { entries, blobs }: ManifestStore,
  key: CacheKey,
  { fixed }: PinnedSource,
  signal: AbortSignal,
): Promise<ManifestEntry | undefined> {
  if (!fixed) return undefined
  const value = await entries.get('manifests', key, signal)
  if (value === undefined) return undefined
  const image = parseManifestEntry(value)
  if (image !== undefined && (await isComplete(blobs, image, signal))) return image
  await entries.remove('manifests', key, signal)
  return undefined
}

async function isComplete(
  blobs: BlobReader,
  image: ManifestEntry,
  signal: AbortSignal,
): Promise<boolean> {
  const stats = await Promise.all(image.blobs.map((blob) => blobs.stat(blob.digest, signal)))
  if (stats.some((stat, index) => stat?.sizeBytes !== image.blobs[index]?.size)) return false
  // Reading them checks their digests, and one of them is about to be sent.
  const documents = await Promise.all(
    image.manifests.map(({ digest }) => blobs.readDocument(digest, signal)),
  )
  return documents.every((document) => document !== undefined)
}
