import { join } from 'node:path'
import { digestHex, type Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { EntryKind } from '#engine/ports/entry-store.ts'

/**
 * The tree below the storage directory; buckets use the same keys.
 *
 *     layers/<sha256 hex>    every blob and every document, named by its content
 *     builds/<key>           JSON: the layer that one group of store paths was packed into
 *     manifests/<key>        JSON: the image that one pinned request leads to
 *     staging/<owner>/<n>    uploads in progress
 */
export interface StorageLayout {
  readonly directories: readonly string[]
  readonly staging: string
  readonly blob: (digest: Digest) => string
  readonly entry: (kind: EntryKind, key: CacheKey) => string
}

/** The only place that makes paths of the storage directory. */
export function storageLayout(root: string): StorageLayout {
  return {
    directories: ['layers', 'builds', 'manifests', 'staging'].map((name) => join(root, name)),
    staging: join(root, 'staging'),
    blob: (digest) => join(root, 'layers', digestHex(digest)),
    entry: (kind, key) => join(root, kind, key),
  }
}
