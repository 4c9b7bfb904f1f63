import type { Digest } from '#core/oci/digest.ts'
import { parseManifestReferences } from '#core/oci/manifest-references.ts'
import type { BlobClaims } from './claim-blobs.ts'
import { findMissingBlobs } from './find-missing-blobs.ts'
import type { BlobReader } from './ports/blob-store.ts'
import type { ImageSpecs } from './ports/image-specs.ts'
import type { StorageObserver } from './ports/storage-observer.ts'
import type { RecentManifests } from './recent-manifests.ts'

export interface StoredManifestTools {
  readonly blobs: BlobReader
  readonly claims: BlobClaims
  readonly storageObserver: StorageObserver
  readonly recent?: RecentManifests | undefined
}

/**
 * A manifest or an index by its digest; absent unless all that it refers to is there, whole. What it
 * refers to needs no claims: a collector keeps what a claimed manifest needs.
 */
export async function readStoredManifest(
  { blobs, claims, storageObserver, recent }: StoredManifestTools,
  digest: Digest,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const known = recent?.documents.recall(digest)
  if (known !== undefined) return known
  const moment = recent?.documents.moment()
  // Anybody may ask for any digest, and a claim writes to the storage.
  if ((await blobs.stat(digest, signal)) === undefined) return undefined
  const doomed = await claims.claim([digest], signal)
  if (doomed.has(digest)) return undefined
  const bytes = await blobs.readDocument(digest, signal)
  const manifest = bytes && parseManifestReferences(bytes)
  if (bytes === undefined || manifest === undefined) return undefined
  // The manifest too: a near cache may have it while a collector removes what it needs.
  const needed = [{ digest, size: bytes.length }, ...manifest.references]
  const missing = await findMissingBlobs(blobs, needed, signal)
  for (const lost of missing) storageObserver.observe({ kind: 'blob-missing', digest: lost })
  if (missing.length > 0) return undefined
  if (moment !== undefined) recent?.documents.keep(digest, bytes, [digest], moment)
  return bytes
}

/**
 * The same from memory, at once, under a name that the policy is known to let through; where there are
 * stored specs, one may have come that asks for something else.
 */
export function recallStoredManifest(
  { recent, specs }: Pick<StoredManifestTools, 'recent'> & { readonly specs: ImageSpecs },
  name: string,
  digest: Digest,
): Uint8Array | undefined {
  const isServed = specs.isEmpty === true && recent?.names.get(name) !== undefined
  return isServed ? recent.documents.recall(digest) : undefined
}
