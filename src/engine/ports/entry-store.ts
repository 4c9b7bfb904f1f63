import type { CacheKey } from '#core/request/cache-key.ts'

/** `builds` maps one layer's content to its blob, `manifests` one pinned request to its documents. */
export type EntryKind = 'builds' | 'manifests'

/**
 * Small JSON values that never change once written. Whoever writes a key first decides its value,
 * so that instances with other compressors agree on one digest.
 */
export interface EntryStore {
  /** The value as parsed JSON; `undefined` when there is none. */
  get(kind: EntryKind, key: CacheKey, signal: AbortSignal): Promise<unknown>

  /** Stores the value unless there is one; gives back the stored one, which may be somebody else's. */
  putFirst(kind: EntryKind, key: CacheKey, value: unknown, signal: AbortSignal): Promise<unknown>

  /** Removes a value that turned out to be unusable. */
  remove(kind: EntryKind, key: CacheKey, signal: AbortSignal): Promise<void>
}
