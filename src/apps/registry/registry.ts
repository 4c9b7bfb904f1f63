import type { DeniedName } from '#engine/resolve-image.ts'
import type { ManifestOutcome, ManifestRequest } from '#engine/serve-manifest.ts'
import type { ServedImage } from '#engine/serve-platforms.ts'
import type { Digest } from '#core/oci/digest.ts'
import type { BlobReader } from '#engine/ports/blob-store.ts'
import type { BlobLocator } from '#engine/ports/storage.ts'

/** What the HTTP front needs of the product. */
export interface Registry {
  /** The image behind a name and a tag; see `serveManifest`. */
  manifest(request: ManifestRequest, signal: AbortSignal): Promise<ManifestOutcome>
  /** The same at once, when it is known; see `recallManifest`. */
  recall?(request: ManifestRequest): ServedImage | undefined
  /** A manifest or an index by its digest; see `readStoredManifest`. */
  storedManifest(digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined>
  /** The same at once, when it is known; see `recallStoredManifest`. */
  recallStored?(name: string, digest: Digest): Uint8Array | undefined
  /** Why nothing of a name is served, when the operator's policy says so; see `refuseName`. */
  refuse(name: string): Promise<DeniedName | undefined>
  /** Names of images that may have been meant by one whose packages are not there. */
  near(name: string): Promise<readonly string[]>
  readonly blobs: BlobReader
  /** Where clients download blobs; without it they come through the service. */
  readonly locator?: BlobLocator
}
