import type { Readable } from 'node:stream'
import type { Digest } from '#core/oci/digest.ts'
import { parseManifestReferences } from '#core/oci/manifest-references.ts'
import { RunningDigest } from '#core/oci/running-digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import { OperatingError } from '../operating-error.ts'
import { maxDocumentBytes, type BlobReader } from '../ports/blob-store.ts'
import type { EntryKind, EntryStore } from '../ports/entry-store.ts'
import type { StorageUpkeep } from '../ports/storage-upkeep.ts'
import { runInLanes } from '../run-in-lanes.ts'
import { parseBuildEntry, parseManifestEntry, type AboutImage } from '../stored-entries.ts'

/** What is read; the blobs as they are stored, without anything that mends them on the way. */
export interface ReadableStorage {
  readonly blobs: BlobReader
  readonly entries: EntryStore
  readonly upkeep: StorageUpkeep
}

/** Stored bytes as somebody else describes them. */
export interface Reference {
  readonly digest: Digest
  readonly size: number
}

export interface ReadImage {
  readonly about?: AboutImage
  readonly manifests: readonly Reference[]
  readonly blobs: readonly Reference[]
}

/** Everything that a storage holds, with what the bytes turned out to be. */
export interface StorageContents {
  /** `undefined` for what is no entry. */
  readonly builds: ReadonlyMap<CacheKey, Reference | undefined>
  readonly images: ReadonlyMap<CacheKey, ReadImage | undefined>
  /** What is there, with its size in bytes. */
  readonly blobs: Map<Digest, number>
  /** The size in bytes that references say a blob has. */
  readonly sizes: ReadonlyMap<Digest, number>
  /** Blobs that do not hold what their names say. */
  readonly wrong: Set<Digest>
  /** What manifests and indexes refer to. */
  readonly documents: Map<Digest, readonly Reference[]>
  readonly foreignKeys: readonly string[]
}

// Enough to keep a bucket or a disk busy, too few to starve pulls.
const largeAtOnce = 4

// Of what is small and far away most of the time goes by waiting: entries, documents, small layers.
const smallAtOnce = 16
const smallBytes = 256 * 1024

/**
 * Reads everything. Entries come before blobs, so that the blobs of a listed entry are listed too,
 * however much is built meanwhile. Memory grows by some hundred bytes per blob and entry.
 */
export async function readStorage(
  storage: ReadableStorage,
  onProgress: (doneBytes: number, totalBytes: number) => void,
  signal: AbortSignal,
): Promise<StorageContents> {
  const known = new KnownReferences()
  const builds = await readEntries(storage, 'builds', signal, (value) => {
    const entry = parseBuildEntry(value)
    return entry && known.get(entry.digest, entry.sizeBytes)
  })
  const images = await readEntries(storage, 'manifests', signal, (value) => {
    const entry = parseManifestEntry(value)
    if (entry === undefined) return undefined
    const { about, manifests, blobs, contents } = entry
    if (contents !== undefined) known.get(contents.digest, contents.size)
    return { ...(about && { about }), manifests: known.all(manifests), blobs: known.all(blobs) }
  })
  const blobs = new Map<Digest, number>()
  for await (const { digest, sizeBytes } of storage.upkeep.blobs(signal))
    blobs.set(digest, sizeBytes)
  const foreignKeys = await Array.fromAsync(storage.upkeep.foreignKeys(signal))

  const wrong = new Set<Digest>()
  const documents = new Map<Digest, readonly Reference[]>()
  const totalBytes = blobs.values().reduce((sum, sizeBytes) => sum + sizeBytes, 0)
  let doneBytes = 0
  onProgress(0, totalBytes)
  const readOne = async (digest: Digest): Promise<void> => {
    const read = await readBlob(storage.blobs, digest, signal, (chunkBytes) => {
      doneBytes += chunkBytes
      onProgress(doneBytes, totalBytes)
    })
    // Collected since it was listed: whether anything needs it is seen when its users are looked at.
    if (read === undefined) blobs.delete(digest)
    else if (!read.isWhole) wrong.add(digest)
    else if (read.references !== undefined) documents.set(digest, known.all(read.references))
  }
  const isSmall = (digest: Digest) => (blobs.get(digest) ?? 0) <= smallBytes
  const { small = [], large = [] } = Object.groupBy(blobs.keys(), (digest) =>
    isSmall(digest) ? 'small' : 'large',
  )
  await runInLanes(small, smallAtOnce, readOne, signal)
  await runInLanes(large, largeAtOnce, readOne, signal)
  return { builds, images, blobs, sizes: known.sizes(), wrong, documents, foreignKeys }
}

async function readEntries<Entry>(
  { entries, upkeep }: ReadableStorage,
  kind: EntryKind,
  signal: AbortSignal,
  parse: (value: unknown) => Entry | undefined,
): Promise<ReadonlyMap<CacheKey, Entry | undefined>> {
  const read = new Map<CacheKey, Entry | undefined>()
  const listed = await Array.fromAsync(upkeep.entries(kind, signal))
  await runInLanes(
    listed,
    smallAtOnce,
    async ({ key }) => {
      const value = await entries.get(kind, key, signal)
      if (value !== undefined) read.set(key, parse(value))
    },
    signal,
  )
  return read
}

interface ReadBlob {
  readonly isWhole: boolean
  /** Of manifests and indexes only. */
  readonly references?: readonly Reference[]
}

/** Reads a blob to its end; `undefined` when it is not there. */
export async function readBlob(
  blobs: BlobReader,
  digest: Digest,
  signal: AbortSignal,
  onChunk: (chunkBytes: number) => void = () => {},
): Promise<ReadBlob | undefined> {
  const stream = await blobs.open(digest, undefined, signal)
  if (stream === undefined) return undefined
  const running = new RunningDigest()
  let text: Buffer[] | undefined = []
  let sizeBytes = 0
  for await (const chunk of chunksOf(stream, digest)) {
    signal.throwIfAborted()
    running.update(chunk)
    sizeBytes += chunk.length
    // Layers begin with the magic number of gzip or zstd, documents with a brace.
    if (sizeBytes > maxDocumentBytes || (text?.[0] ?? chunk)[0] !== openingBrace) text = undefined
    text?.push(chunk)
    onChunk(chunk.length)
  }
  if (running.end() !== digest) return { isWhole: false }
  const references = text && parseManifestReferences(Buffer.concat(text))?.references
  return { isWhole: true, ...(references && { references }) }
}

const openingBrace = 0x7b

/** A blob that cannot be read is no wrong blob: a network that fails must not cost a good one. */
async function* chunksOf(stream: Readable, digest: Digest): AsyncIterable<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (cause) {
    if (cause instanceof OperatingError) throw cause
    throw new OperatingError('STORAGE_FAILED', `cannot read ${digest}`, { cause })
  }
}

/** One object per blob instead of one per mention: base layers are in thousands of images. */
class KnownReferences {
  readonly #known = new Map<Digest, Reference>()

  get(digest: Digest, size: number): Reference {
    const known = this.#known.get(digest)
    if (known?.size === size) return known
    const reference = { digest, size }
    if (known === undefined) this.#known.set(digest, reference)
    return reference
  }

  all(references: readonly Reference[]): readonly Reference[] {
    return references.map(({ digest, size }) => this.get(digest, size))
  }

  sizes(): ReadonlyMap<Digest, number> {
    return new Map(this.#known.values().map(({ digest, size }) => [digest, size]))
  }
}
