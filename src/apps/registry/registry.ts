import type { ManifestOutcome } from '#engine/serve-manifest.ts'
import type { BlobReader } from '#engine/ports/blob-store.ts'

/** What the HTTP front needs of the product. */
export interface Registry {
  /** The image behind a name and a tag; see `serveManifest`. */
  manifest(name: string, tag: string, signal: AbortSignal): Promise<ManifestOutcome>
  readonly blobs: BlobReader
}
