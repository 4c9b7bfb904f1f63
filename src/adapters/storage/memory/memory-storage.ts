import { Readable } from 'node:stream'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'

export interface MemoryStorage {
  readonly blobs: BlobStore
  readonly entries: EntryStore
}

/** Storage that ends with the process: for tests of the flow. Passes the contract of every backend. */
export function createMemoryStorage(): MemoryStorage {
  const stored = new Map<Digest, Buffer>()
  const values = new Map<string, string>()

  const blobs: BlobStore = {
    async stat(digest) {
      const bytes = stored.get(digest)
      return bytes && { sizeBytes: bytes.length }
    },
    async open(digest, range) {
      const bytes = stored.get(digest)
      return bytes && Readable.from([range ? bytes.subarray(range.start, range.end + 1) : bytes])
    },
    async readDocument(digest) {
      const bytes = stored.get(digest)
      return bytes && bytes.length <= maxDocumentBytes && digestOf(bytes) === digest
        ? bytes
        : undefined
    },
    async upload() {
      const chunks: Uint8Array[] = []
      return {
        // A caller may use its buffer again once the write is done.
        write: async (chunk) => void chunks.push(Uint8Array.from(chunk)),
        async publish(digest) {
          const bytes = Buffer.concat(chunks)
          if (stored.get(digest)?.length !== bytes.length) stored.set(digest, bytes)
        },
        discard: async () => undefined,
      }
    },
  }

  const entries: EntryStore = {
    async get(kind, key) {
      const text = values.get(`${kind}/${key}`)
      return text === undefined ? undefined : JSON.parse(text)
    },
    async putFirst(kind, key, value, signal) {
      if (!values.has(`${kind}/${key}`)) values.set(`${kind}/${key}`, JSON.stringify(value))
      return entries.get(kind, key, signal)
    },
    async remove(kind, key) {
      values.delete(`${kind}/${key}`)
    },
  }

  return { blobs, entries }
}
