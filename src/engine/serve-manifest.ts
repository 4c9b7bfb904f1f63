import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'
import { parseImageRequest, type ImageRequest } from '#core/request/image-request.ts'
import { formatPlatform, type Platform } from '#core/nix/system.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { BuildFailure } from './build-outcome.ts'
import type { ImageBuilder } from './image-builder.ts'
import type { BlobReader } from './ports/blob-store.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { PackageSource } from './ports/package-source.ts'
import type { Compression } from './ports/packer.ts'
import { parseManifestEntry, type ManifestEntry } from './stored-entries.ts'

// Raise this when the documents of an equal request change: every cached manifest is then made anew.
const imageFormat = 1

export interface ManifestTools {
  readonly source: PackageSource
  readonly builder: ImageBuilder
  readonly entries: EntryStore
  readonly blobs: BlobReader
  readonly defaultPlatform: Platform
  readonly layerBudget: number
  readonly popularity: Popularity
  readonly compression: Compression
}

export type ManifestOutcome =
  | { readonly kind: 'image'; readonly image: ManifestEntry; readonly cached: boolean }
  | { readonly kind: 'invalid-name'; readonly message: string }
  | { readonly kind: 'unknown-tag'; readonly message: string }
  | { readonly kind: 'failed'; readonly buildId: string; readonly failure: BuildFailure }

/**
 * From a repository name and a tag to an image: from cache, or by a build. `signal` is the
 * caller's patience: aborting it leaves a build that others may wait for.
 */
export async function serveManifest(
  tools: ManifestTools,
  name: string,
  tag: string,
  signal: AbortSignal,
): Promise<ManifestOutcome> {
  const parsed = parseImageRequest(name, tools.defaultPlatform)
  if (parsed.kind === 'invalid') return { kind: 'invalid-name', message: parsed.message }
  const { request } = parsed

  const pin = await tools.source.pin(tag, signal)
  if (pin.kind === 'unknown-tag') return pin

  const key = manifestKey(tools, request, pin.source.revision)
  const cached = pin.cacheable ? await readUsableManifest(tools, key, signal) : undefined
  if (cached !== undefined) return { kind: 'image', image: cached, cached: true }

  const target = { key, request, source: pin.source, cacheable: pin.cacheable }
  const outcome = await tools.builder.build(target, signal)
  return outcome.kind === 'built' ? { kind: 'image', image: outcome.image, cached: false } : outcome
}

/** Everything that decides the image's content; not the compressor's build, see `EntryStore`. */
function manifestKey(tools: ManifestTools, request: ImageRequest, revision: string): CacheKey {
  return cacheKeyOf({
    format: imageFormat,
    revision,
    platform: formatPlatform(request.platform),
    packages: request.packages,
    shell: request.shell,
    layerBudget: tools.layerBudget,
    popularity: tools.popularity.kind === 'snapshot' ? tools.popularity.version : null,
    compression: { codec: tools.compression.codec, level: tools.compression.level },
  })
}

/** A cached manifest counts only while every blob that it needs is there, whole. */
async function readUsableManifest(
  tools: ManifestTools,
  key: CacheKey,
  signal: AbortSignal,
): Promise<ManifestEntry | undefined> {
  const value = await tools.entries.get('manifests', key, signal)
  if (value === undefined) return undefined
  const image = parseManifestEntry(value)
  if (image !== undefined && (await isComplete(tools.blobs, image, signal))) return image
  await tools.entries.remove('manifests', key, signal)
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
