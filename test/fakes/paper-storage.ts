import assert from 'node:assert/strict'
import { createMemoryObjects } from '#adapters/storage/memory/memory-objects.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { storageFolders } from '#adapters/storage/storage-layout.ts'
import type { Digest } from '#core/oci/digest.ts'
import { parseManifestReferences } from '#core/oci/manifest-references.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { serveManifest, type ManifestTools } from '#engine/serve-manifest.ts'
import type { ManifestEntry } from '#engine/stored-entries.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { paperTools } from './paper-images.ts'
import { storageTools } from './storage-tools.ts'

const { signal } = new AbortController()

/** One instance that serves paper images from a storage. */
export interface PaperInstance {
  readonly tools: ManifestTools
  readonly image: (name: string) => Promise<ManifestEntry>
}

/** A storage in memory with a time that tests move. */
export interface PaperStorage {
  readonly objects: ObjectStore
  readonly storage: Storage
  readonly clock: ManualClock
  readonly nowMs: () => number
  readonly pass: (ms: number) => void
  /** An instance with claims of its own, on this storage or on what a test makes of it. */
  readonly start: (storage?: Storage) => PaperInstance
  /** Every object with its time. */
  readonly dump: () => Promise<ReadonlyMap<string, number>>
}

export function makePaperStorage(): PaperStorage {
  const clock = createManualClock()
  let nowMs = Date.UTC(2026, 0, 1)
  const objects = createMemoryObjects(() => nowMs)
  const storage = createStorage(objects)
  return {
    objects,
    storage,
    clock,
    nowMs: () => nowMs,
    pass(ms) {
      nowMs += ms
      clock.advance(ms)
    },
    start(used = storage) {
      const tools = paperTools(storageTools(used, { nowMs: () => nowMs, clock }))
      return {
        tools,
        async image(name) {
          const request = { name, tag: 'latest', acceptsIndex: true }
          const outcome = await serveManifest(tools, request, signal)
          assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
          return outcome.image
        },
      }
    },
    async dump() {
      const all = new Map<string, number>()
      for (const folder of storageFolders)
        for await (const { key, changedMs } of objects.list(folder, signal)) all.set(key, changedMs)
      return all
    },
  }
}

/** What a client that was given a manifest could not download. */
export async function findLost(
  { blobs }: Pick<Storage, 'blobs'>,
  manifest: Digest,
): Promise<readonly string[]> {
  const bytes = await blobs.readDocument(manifest, signal)
  const read = bytes && parseManifestReferences(bytes)
  if (read === undefined) return [`${manifest} is gone`]
  const lost = await Promise.all(
    read.references.map(async ({ digest, size }) => {
      if (read.kind === 'index') return findLost({ blobs }, digest)
      const stat = await blobs.stat(digest, signal)
      return stat?.sizeBytes === size ? [] : [`${digest}, which ${manifest} needs, is gone`]
    }),
  )
  return lost.flat()
}
