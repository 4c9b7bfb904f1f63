import { z } from 'zod'
import { digestOf, parseDigest, type Digest } from '#core/oci/digest.ts'
import { parseCacheKey } from '#core/request/cache-key.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { StorageUpkeep, StoredBlob } from '#engine/ports/storage-upkeep.ts'
import type { ListedObject, ObjectStore } from './object-store.ts'
import { digestOfKey, nameOfKey, storageKeys } from './storage-layout.ts'

// Entries list at most a few hundred blobs of 100 bytes each; what is larger is none.
const maxEntryBytes = 4 * 1024 * 1024

const noticeSchema = z.object({
  digests: z
    .array(z.string())
    .transform((texts) => texts.flatMap((text) => parseDigest(text) ?? [])),
  untilMs: z.number(),
})

/** Images in a directory or a bucket: what the flow needs, on top of bytes by key. */
export function createStorage(objects: ObjectStore): Storage {
  const { locate, watch } = objects
  return {
    blobs: createBlobs(objects),
    entries: createEntries(objects),
    upkeep: createUpkeep(objects),
    ...(locate && {
      locator: {
        locate: (digest: Digest, signal: AbortSignal) => locate(storageKeys.blob(digest), signal),
      },
    }),
    ...(watch && { watch }),
    close: () => objects.close(),
  }
}

function createBlobs(objects: ObjectStore): BlobStore {
  const { openFile } = objects
  return {
    async stat(digest, signal) {
      const info = await objects.stat(storageKeys.blob(digest), signal)
      return info && { sizeBytes: info.sizeBytes }
    },
    open: (digest, range, signal) => objects.open(storageKeys.blob(digest), range, signal),
    async readDocument(digest, signal) {
      const bytes = await objects.read(storageKeys.blob(digest), maxDocumentBytes, signal)
      return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined
    },
    async upload(mediaType, signal) {
      const upload = await objects.upload(mediaType, signal)
      return {
        write: (chunk) => upload.write(chunk),
        publish: (digest) => upload.publish(storageKeys.blob(digest)),
        discard: () => upload.discard(),
      }
    },
    ...(openFile && {
      openFile: (digest: Digest, signal: AbortSignal) => openFile(storageKeys.blob(digest), signal),
    }),
  }
}

function createEntries(objects: ObjectStore): EntryStore {
  const get: EntryStore['get'] = async (kind, key, signal) => {
    const bytes = await objects.read(storageKeys.entry(kind, key), maxEntryBytes, signal)
    return bytes && parseJson(bytes)
  }
  return {
    get,
    async putFirst(kind, key, value, signal) {
      const bytes = formatJson(value)
      await objects.putFirst(storageKeys.entry(kind, key), bytes, 'application/json', signal)
      return get(kind, key, signal)
    },
    remove: (kind, key, signal) => objects.remove(storageKeys.entry(kind, key), signal),
  }
}

function createUpkeep(objects: ObjectStore): StorageUpkeep {
  async function* blobsIn(folder: string, signal: AbortSignal): AsyncIterable<StoredBlob> {
    for await (const { key, sizeBytes, changedMs } of objects.list(folder, signal)) {
      const digest = digestOfKey(key)
      if (digest !== undefined) yield { digest, sizeBytes, changedMs }
    }
  }
  return {
    blobs: (signal) => blobsIn('layers', signal),
    async *entries(kind, signal) {
      for await (const { key: path, changedMs } of objects.list(kind, signal)) {
        const key = parseCacheKey(nameOfKey(path))
        if (key !== undefined) yield { key, changedMs }
      }
    },
    async *foreignKeys(signal) {
      for (const folder of ['layers', 'builds', 'manifests'])
        for await (const { key } of objects.list(folder, signal))
          if (parseCacheKey(nameOfKey(key)) === undefined) yield key
    },

    recordUse: (digest, signal) => objects.touch(storageKeys.use(digest), signal),
    lastUse: async (digest, signal) =>
      (await objects.stat(storageKeys.use(digest), signal))?.changedMs,
    async *uses(signal) {
      for await (const { digest, changedMs } of blobsIn('uses', signal))
        yield { digest, usedMs: changedMs }
    },
    forgetUse: (digest, signal) => objects.remove(storageKeys.use(digest), signal),

    postNotice: (collector, notice, signal) =>
      objects.put(storageKeys.notice(collector), formatJson(notice), 'application/json', signal),
    async notices(signal) {
      const posted: ListedObject[] = []
      for await (const object of objects.list('notices', signal)) posted.push(object)
      const read = await Promise.all(
        posted.map(async ({ key }) => {
          const bytes = await objects.read(key, maxEntryBytes, signal)
          const notice = noticeSchema.safeParse(bytes && parseJson(bytes)).data
          return notice && ([nameOfKey(key), notice] as const)
        }),
      )
      return new Map(read.filter((notice) => notice !== undefined))
    },
    withdrawNotice: (collector, signal) => objects.remove(storageKeys.notice(collector), signal),

    removeBlob: (digest, signal) => objects.remove(storageKeys.blob(digest), signal),
    quarantineBlob: (digest, signal) =>
      objects.move(storageKeys.blob(digest), storageKeys.quarantined(digest), signal),
    quarantined: (signal) => blobsIn('quarantine', signal),
    removeQuarantined: (digest, signal) => objects.remove(storageKeys.quarantined(digest), signal),

    sweepStaging: (signal) => objects.sweepStaging(signal),
    async nowMs(signal) {
      await objects.touch(storageKeys.clock, signal)
      const info = await objects.stat(storageKeys.clock, signal)
      if (info === undefined)
        throw new OperatingError('STORAGE_FAILED', 'the storage has lost what was just written')
      return info.changedMs
    },
  }
}

function formatJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** A value that is not JSON, as a damaged file gives, reads as `null`: it is there, and no entry. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
