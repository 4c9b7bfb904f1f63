import { digestHex, parseDigest, type Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { EntryKind } from '#engine/ports/entry-store.ts'

/**
 * The tree of a storage, the same in directories and buckets:
 *
 *     layers/<sha256 hex>      every blob and every document, named by its content
 *     builds/<key>             JSON: the layer that one group of store paths was packed into
 *     manifests/<key>          JSON: the image that one pinned request leads to
 *     uses/<sha256 hex>        empty; its time says when the blob was relied on last
 *     notices/<collector>      JSON: what a collector is about to remove
 *     quarantine/<sha256 hex>  blobs whose bytes were not what their names say
 *     staging/…                uploads in progress
 */
export const storageFolders = [
  'layers',
  'builds',
  'manifests',
  'uses',
  'notices',
  'quarantine',
  'staging',
] as const

/** The only place that makes keys of a storage. */
export const storageKeys = {
  blob: (digest: Digest) => `layers/${digestHex(digest)}`,
  entry: (kind: EntryKind, key: CacheKey) => `${kind}/${key}`,
  use: (digest: Digest) => `uses/${digestHex(digest)}`,
  /** Written only to read its time. */
  clock: 'uses/clock',
  notice: (collector: string) => `notices/${collector}`,
  quarantined: (digest: Digest) => `quarantine/${digestHex(digest)}`,
  staged: (name: string) => `staging/${name}`,
}

/** The name of an object in its folder. */
export function nameOfKey(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

/** The digest that a key ends with; `undefined` for what somebody else has put there. */
export function digestOfKey(key: string): Digest | undefined {
  return parseDigest(`sha256:${nameOfKey(key)}`)
}
