import type { ManifestOutcome } from '#engine/serve-manifest.ts'
import type { BlobReader } from '#engine/ports/blob-store.ts'

/** What the HTTP front needs of the product. */
export interface Registry {
  /** The image behind a name and a tag; see `serveManifest`. */
  manifest(name: string, tag: string, signal: AbortSignal): Promise<ManifestOutcome>
  readonly blobs: BlobReader
  readonly log: RequestLog
}

export interface RequestLog {
  request(facts: RequestFacts): void
  /** An error that the operator must look at. */
  failure(error: unknown, facts: { readonly method: string; readonly path: string }): void
}

export interface RequestFacts {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly sentBytes: number
  readonly durationMs: number
  readonly userAgent: string
  /** False when the client hung up before the end of the response. */
  readonly complete: boolean
}
