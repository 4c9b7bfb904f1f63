import { cacheKeyOf, type CacheKey, type CanonicalValue } from '#core/request/cache-key.ts'
import { layerTypes } from '#core/oci/media-types.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import type { BlobClaims } from './claim-blobs.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { BuildEvent } from './ports/build-observer.ts'
import type { EntryStore } from './ports/entry-store.ts'
import type { Compression, LayerContent, Packer } from './ports/packer.ts'
import { parseBuildEntry, type BuildEntry } from './stored-entries.ts'

// Raise this when the archive of equal content changes: every stored layer is then packed anew.
const layerFormat = 2

export interface LayerTools {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  readonly claims: BlobClaims
  readonly packer: Packer
  readonly compression: Compression
}

/** What is told of one layer; which one it is, the caller knows. */
export type LayerEvent = BuildEvent extends infer Event
  ? Event extends { readonly layer: number }
    ? Omit<Event, 'layer'>
    : never
  : never

/** The stored layer with this content; packs it when no instance has done so before. */
export async function packLayer(
  tools: LayerTools,
  content: LayerContent,
  observe: (event: LayerEvent) => void,
  signal: AbortSignal,
): Promise<BuildEntry> {
  const key = layerKey(content, tools.compression)
  const stored = await readUsableEntry(tools, key, signal)
  if (stored !== undefined) {
    observe({ kind: 'layer-reused', digest: stored.digest, sizeBytes: stored.sizeBytes })
    return stored
  }
  const packed = await packAndPublish(tools, content, observe, signal)
  observe({ kind: 'layer-packed', ...packed })
  const winner = parseBuildEntry(await tools.entries.putFirst('builds', key, packed, signal))
  return winner !== undefined && (await isUsable(tools, winner, signal)) ? winner : packed
}

/**
 * An entry counts only while the blob that it points to is there, whole, and no collector is about to
 * remove it. In the last case the entry is the collector's to remove.
 */
async function readUsableEntry(
  tools: LayerTools,
  key: CacheKey,
  signal: AbortSignal,
): Promise<BuildEntry | undefined> {
  const value = await tools.entries.get('builds', key, signal)
  if (value === undefined) return undefined
  const entry = parseBuildEntry(value)
  if (entry !== undefined && (await isDoomed(tools, entry, signal))) return undefined
  if (entry !== undefined && (await isWhole(tools, entry, signal))) return entry
  await tools.entries.remove('builds', key, signal)
  return undefined
}

async function isUsable(
  tools: LayerTools,
  entry: BuildEntry,
  signal: AbortSignal,
): Promise<boolean> {
  return !(await isDoomed(tools, entry, signal)) && isWhole(tools, entry, signal)
}

async function isDoomed(
  { claims }: LayerTools,
  { digest }: BuildEntry,
  signal: AbortSignal,
): Promise<boolean> {
  return (await claims.claim([digest], signal)).has(digest)
}

async function isWhole(
  { blobs }: LayerTools,
  { digest, sizeBytes }: BuildEntry,
  signal: AbortSignal,
): Promise<boolean> {
  return (await blobs.stat(digest, signal))?.sizeBytes === sizeBytes
}

async function packAndPublish(
  tools: LayerTools,
  content: LayerContent,
  observe: (event: LayerEvent) => void,
  signal: AbortSignal,
): Promise<BuildEntry> {
  const upload = await tools.blobs.upload(layerTypes[tools.compression.codec].oci, signal)
  try {
    const write = async (chunk: Uint8Array, archivedBytes: number) => {
      await upload.write(chunk)
      observe({ kind: 'layer-progress', archivedBytes })
    }
    const packed = await tools.packer.pack(content, tools.compression, write, signal)
    await tools.claims.claimWhenFree(packed.digest, signal)
    await upload.publish(packed.digest)
    return packed
  } finally {
    await upload.discard()
  }
}

function layerKey(content: LayerContent, compression: Compression): CacheKey {
  return cacheKeyOf({
    format: layerFormat,
    codec: compression.codec,
    level: compression.level,
    content:
      content.kind === 'store-paths'
        ? content.paths.map(({ path }) => path).sort()
        : content.entries.map(describeEntry),
  })
}

function describeEntry(entry: TarEntry): CanonicalValue {
  switch (entry.kind) {
    case 'directory':
      return [entry.kind, entry.path, entry.mode]
    case 'symlink':
      return [entry.kind, entry.path, entry.target]
    case 'file':
      return [entry.kind, entry.path, entry.mode, Buffer.from(entry.contents).toString('base64')]
  }
}
