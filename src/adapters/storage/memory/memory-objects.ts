import { Readable } from 'node:stream'
import type { ObjectStore } from '../object-store.ts'

interface MemoryObject {
  readonly bytes: Buffer
  readonly changedMs: number
}

/** Objects that end with the process: for tests of the flow. Passes the contract of every backend. */
export function createMemoryObjects(nowMs: () => number = Date.now): ObjectStore {
  const stored = new Map<string, MemoryObject>()
  let state = 0
  const change = (key: string) => {
    if (/^(layers|manifests)\//.test(key)) state += 1
  }
  const put = (key: string, bytes: Uint8Array) => {
    change(key)
    stored.set(key, { bytes: Buffer.from(bytes), changedMs: nowMs() })
  }
  const remove = (key: string) => {
    change(key)
    return stored.delete(key)
  }
  return {
    async stat(key) {
      const found = stored.get(key)
      return found && { sizeBytes: found.bytes.length, changedMs: found.changedMs }
    },
    async open(key, range) {
      const bytes = stored.get(key)?.bytes
      return bytes && Readable.from([range ? bytes.subarray(range.start, range.end + 1) : bytes])
    },
    async read(key, mostBytes) {
      const bytes = stored.get(key)?.bytes
      return bytes !== undefined && bytes.length <= mostBytes ? Buffer.from(bytes) : undefined
    },
    put: async (key, bytes) => put(key, bytes),
    async putFirst(key, bytes) {
      if (stored.has(key)) return false
      put(key, bytes)
      return true
    },
    touch: async (key) => put(key, new Uint8Array()),
    async upload() {
      const chunks: Uint8Array[] = []
      return {
        // A caller may use its buffer again once the write is done.
        write: async (chunk) => void chunks.push(Uint8Array.from(chunk)),
        publish: async (key) => put(key, Buffer.concat(chunks)),
        discard: async () => undefined,
      }
    },
    remove: async (key) => void remove(key),
    async move(from, to) {
      const object = stored.get(from)
      if (object === undefined) return false
      put(to, object.bytes)
      return remove(from)
    },
    async *list(folder) {
      for (const [key, { bytes, changedMs }] of stored)
        if (key.startsWith(`${folder}/`)) yield { key, sizeBytes: bytes.length, changedMs }
    },
    sweepStaging: async () => 0,
    watch: { state: () => state },
    close: async () => undefined,
  }
}
