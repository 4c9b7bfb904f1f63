import type { Digest } from '#core/oci/digest.ts'
import { parseManifestReferences, type ManifestReferences } from '#core/oci/manifest-references.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { StoredImage } from '#core/retention/choose-images.ts'
import { isFresh, type RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { EntryKind } from '../ports/entry-store.ts'
import type { Storage } from '../ports/storage.ts'
import type { StoredBlob } from '../ports/storage-upkeep.ts'
import { EntryReader, type ReadEntry } from './read-entries.ts'
import { runInLanes } from '../run-in-lanes.ts'
import { parseBuildEntry, parseManifestEntry, type AboutImage } from '../stored-entries.ts'

export type CollectableStorage = Pick<Storage, 'blobs' | 'entries' | 'upkeep'>

/** An image or an index as its entry has it. */
export interface LookedImage extends StoredImage {
  /** Those among its digests that clients ask for first. */
  readonly manifests: readonly Digest[]
  readonly about?: AboutImage
}

export interface LookedEntry {
  readonly kind: EntryKind
  readonly key: CacheKey
  readonly changedMs: number
}

/** What lies in a storage. Times are milliseconds since 1970 by the storage's clock. */
export interface StorageLook {
  /** When the look began. */
  readonly nowMs: number
  readonly blobs: ReadonlyMap<Digest, StoredBlob>
  readonly uses: ReadonlyMap<Digest, number>
  readonly images: readonly LookedImage[]
  /** The entries that lead to each layer. */
  readonly builds: ReadonlyMap<Digest, readonly LookedEntry[]>
  readonly unreadable: readonly LookedEntry[]
  /** What is fresh, and all that fresh manifests need, with or without an image. */
  readonly pinned: ReadonlySet<Digest>
}

// A manifest of a hundred layers has 20 KB. What is larger is a layer, and not worth downloading.
const mostManifestBytes = 256 * 1024

const readsAtOnce = 16

/**
 * Looks at a storage again and again, reading each entry and document once. Memory grows by some
 * hundred bytes per blob, and by ten per blob and image.
 */
export class StorageReader {
  readonly #storage: CollectableStorage
  readonly #policy: RetentionPolicy
  readonly #images: EntryReader<ReadImage>
  readonly #builds: EntryReader<Digest>
  readonly #references = new Map<Digest, ManifestReferences | undefined>()
  /** Most layers of small packages are no larger than a manifest. */
  readonly #layers = new Set<Digest>()
  readonly #names = new Map<Digest, Digest>()

  constructor(storage: CollectableStorage, policy: RetentionPolicy) {
    this.#storage = storage
    this.#policy = policy
    this.#images = new EntryReader(storage, 'manifests', (value) => this.#parseImage(value))
    this.#builds = new EntryReader(storage, 'builds', (value) => this.#parseBuild(value))
  }

  /**
   * Everything that there is. What comes meanwhile is fresh, so it does not matter which of its parts
   * are seen.
   */
  async look(
    onRead: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<StorageLook> {
    const { upkeep } = this.#storage
    const nowMs = await upkeep.nowMs(signal)
    const blobs = new Map<Digest, StoredBlob>()
    for await (const blob of upkeep.blobs(signal)) blobs.set(this.#intern(blob.digest), blob)
    const uses = new Map<Digest, number>()
    for await (const { digest, usedMs } of upkeep.uses(signal)) uses.set(digest, usedMs)
    const images = await this.#images.readAll(onRead, signal)
    const builds = await this.#builds.readAll(
      (done, total) => onRead(images.length + done, images.length + total),
      signal,
    )
    const looked = images.flatMap((image) => describeImage(image, uses))
    return {
      nowMs,
      blobs,
      uses,
      images: looked,
      builds: groupByLayer(builds),
      unreadable: [...unreadable('manifests', images), ...unreadable('builds', builds)],
      pinned: await this.#findPinned(nowMs, blobs, uses, looked, signal),
    }
  }

  /** The images that there are now, whenever they were used. */
  async readImages(signal: AbortSignal): Promise<readonly ReadImage[]> {
    const images = await this.#images.readAll(() => {}, signal)
    return images.flatMap(({ value }) => value ?? [])
  }

  /** What a blob refers to, if it is a manifest or an index. */
  async readReferences(
    { digest, sizeBytes }: StoredBlob,
    signal: AbortSignal,
  ): Promise<ManifestReferences | undefined> {
    if (sizeBytes > mostManifestBytes || this.#layers.has(digest)) return undefined
    if (this.#references.has(digest)) return this.#references.get(digest)
    const bytes = await this.#storage.blobs.readDocument(digest, signal)
    // What has just gone may come back.
    if (bytes === undefined) return undefined
    const references = parseManifestReferences(bytes)
    this.#references.set(digest, references)
    return references
  }

  /** The blobs and all that the manifests among them need, down to layers. */
  async addReferences(
    digests: Iterable<Digest>,
    blobs: ReadonlyMap<Digest, StoredBlob>,
    found: Set<Digest>,
    signal: AbortSignal,
  ): Promise<void> {
    const added = [...new Set(digests)].filter((digest) => !found.has(digest))
    for (const digest of added) found.add(digest)
    const next: Digest[] = []
    await runInLanes(
      added.flatMap((digest) => blobs.get(digest) ?? []),
      readsAtOnce,
      async (blob) => {
        const read = await this.readReferences(blob, signal)
        next.push(...(read?.references ?? []).map(({ digest }) => this.#intern(digest)))
      },
      signal,
    )
    if (next.length > 0) await this.addReferences(next, blobs, found, signal)
  }

  async #findPinned(
    nowMs: number,
    blobs: ReadonlyMap<Digest, StoredBlob>,
    uses: ReadonlyMap<Digest, number>,
    images: readonly LookedImage[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<Digest>> {
    const fresh = [...blobs.values()].filter(({ digest, changedMs }) =>
      isFresh(this.#policy, Math.max(changedMs, uses.get(digest) ?? 0), nowMs),
    )
    const pinned = new Set<Digest>()
    // Fresh images say themselves what they need: nothing has to be read for them.
    const kept = images.filter(({ usedMs }) => isFresh(this.#policy, usedMs, nowMs))
    for (const { digests } of kept) for (const digest of digests) pinned.add(digest)
    const others = fresh.map(({ digest }) => this.#intern(digest))
    await this.addReferences(others, blobs, pinned, signal)
    return pinned
  }

  #parseImage(value: unknown): ReadImage | undefined {
    const entry = parseManifestEntry(value)
    if (entry === undefined) return undefined
    const digestsOf = (described: readonly { readonly digest: Digest }[]) =>
      described.map(({ digest }) => this.#intern(digest))
    const manifests = digestsOf(entry.manifests)
    const { blobs, contents } = entry
    const digests = [...manifests, ...digestsOf(contents ? [...blobs, contents] : blobs)]
    return { manifests, digests, ...(entry.about && { about: entry.about }) }
  }

  #parseBuild(value: unknown): Digest | undefined {
    const entry = parseBuildEntry(value)
    if (entry === undefined) return undefined
    const layer = this.#intern(entry.digest)
    this.#layers.add(layer)
    return layer
  }

  /** Ten thousand images name the same layers a million times. */
  #intern(digest: Digest): Digest {
    const name = this.#names.get(digest)
    if (name === undefined) this.#names.set(digest, digest)
    return name ?? digest
  }
}

type ReadImage = Pick<LookedImage, 'manifests' | 'digests' | 'about'>

function describeImage(
  { key, changedMs, value }: ReadEntry<ReadImage>,
  uses: ReadonlyMap<Digest, number>,
): readonly LookedImage[] {
  if (value === undefined) return []
  const used = value.manifests.map((digest) => uses.get(digest) ?? 0)
  return [{ key, madeMs: changedMs, usedMs: Math.max(changedMs, ...used), ...value }]
}

function groupByLayer(
  builds: readonly ReadEntry<Digest>[],
): ReadonlyMap<Digest, readonly LookedEntry[]> {
  const byLayer = new Map<Digest, LookedEntry[]>()
  for (const { key, changedMs, value } of builds) {
    if (value === undefined) continue
    const entry: LookedEntry = { kind: 'builds', key, changedMs }
    const others = byLayer.get(value)
    if (others === undefined) byLayer.set(value, [entry])
    else others.push(entry)
  }
  return byLayer
}

function unreadable(
  kind: EntryKind,
  entries: readonly ReadEntry<unknown>[],
): readonly LookedEntry[] {
  return entries.flatMap(({ key, changedMs, value }) =>
    value === undefined ? [{ kind, key, changedMs }] : [],
  )
}
