import type { LayerScheme } from '#core/layers/layer-scheme.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import { formatPlatform } from '#core/nix/system.ts'
import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'
import { onPlatform, type ImageRequest, type PlatformRequest } from '#core/request/image-request.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import type { BlobClaims } from './claim-blobs.ts'
import { findMissingBlobs } from './find-missing-blobs.ts'
import type { BlobReader } from './ports/blob-store.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { PinnedSource } from './ports/package-source.ts'
import type { Compression } from './ports/packer.ts'
import type { StorageObserver } from './ports/storage-observer.ts'
import { parseManifestEntry, type ManifestEntry } from './stored-entries.ts'

// Raise this when the documents of an equal request change: every cached manifest is then made anew.
const imageFormat = 2

/** Where images are found again. */
export interface ManifestStore {
  readonly entries: EntryStore
  readonly blobs: BlobReader
  readonly claims: BlobClaims
  readonly storageObserver: StorageObserver
}

/** What the configuration adds to the content of every image. */
export interface ImageSettings {
  readonly policy: PackagePolicy
  readonly layerScheme: LayerScheme
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
  { policy, layerScheme, layerBudget, compression: { codec, level } }: ImageSettings,
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
    layerScheme,
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

/**
 * A cached manifest counts only while every blob that it needs is there, whole, and no collector is
 * about to remove it.
 */
export async function readUsableManifest(
  store: ManifestStore,
  key: CacheKey,
  { fixed }: PinnedSource,
  signal: AbortSignal,
): Promise<ManifestEntry | undefined> {
  if (!fixed) return undefined
  const value = await store.entries.get('manifests', key, signal)
  if (value === undefined) return undefined
  const image = parseManifestEntry(value)
  const isClaimed = image === undefined || (await claimManifests(store, image, signal))
  // The entry is the collector's to remove: it may find that the image is used, and keep it.
  if (!isClaimed) return undefined
  if (image !== undefined && (await isComplete(store, image, signal))) return image
  await store.entries.remove('manifests', key, signal)
  return undefined
}

/** What somebody else has stored first for the same request, unless it is of no use. */
export async function adoptManifest(
  store: ManifestStore,
  value: unknown,
  ours: ManifestEntry,
  signal: AbortSignal,
): Promise<ManifestEntry> {
  const stored = parseManifestEntry(value)
  if (stored === undefined || stored.manifests[0]?.digest === ours.manifests[0]?.digest) return ours
  const isUsable =
    (await claimManifests(store, stored, signal)) && (await isComplete(store, stored, signal))
  return isUsable ? stored : ours
}

/** A collector keeps all that a claimed manifest needs, so claims of its layers would add nothing. */
async function claimManifests(
  { claims }: ManifestStore,
  image: ManifestEntry,
  signal: AbortSignal,
): Promise<boolean> {
  const manifests = image.manifests.map(({ digest }) => digest)
  return (await claims.claim(manifests, signal)).size === 0
}

async function isComplete(
  { blobs, storageObserver }: ManifestStore,
  image: ManifestEntry,
  signal: AbortSignal,
): Promise<boolean> {
  // The manifests too, since a near cache may have documents that a collector has removed.
  const needed = [...image.manifests, ...image.blobs]
  const missing = await findMissingBlobs(blobs, needed, signal)
  for (const digest of missing) storageObserver.observe({ kind: 'blob-missing', digest })
  if (missing.length > 0) return false
  // Reading them checks their digests, and one of them is about to be sent.
  const documents = await Promise.all(
    image.manifests.map(({ digest }) => blobs.readDocument(digest, signal)),
  )
  return documents.every((document) => document !== undefined)
}
