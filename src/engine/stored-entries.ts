import { z } from 'zod'
import type { ImageDocument } from '#core/assembly/image-documents.ts'
import { parseDigest, type Digest } from '#core/oci/digest.ts'

const digestSchema = z.string().transform((text, context): Digest => {
  const digest = parseDigest(text)
  if (digest !== undefined) return digest
  context.addIssue('not a sha256 digest')
  return z.NEVER
})

const buildEntrySchema = z.object({
  digest: digestSchema,
  sizeBytes: z.number().int().nonnegative(),
  diffId: digestSchema,
  archiveSizeBytes: z.number().int().nonnegative(),
})

const documentSchema = z.object({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.number().int().positive(),
})

// Nothing that is printed to a terminal may move its cursor. Names have 255 bytes at most.
const printableSchema = z
  .string()
  .max(300)
  .regex(/^[\x20-\x7e]+$/)

const aboutSchema = z.object({
  /** As a request spells it, without a platform. */
  name: printableSchema,
  /** `linux/arm64`; an index has none. */
  platform: printableSchema.optional(),
  /** Of the package source when the image was made. */
  revision: printableSchema,
})

const neededSchema = z.object({ digest: digestSchema, size: z.number().int().nonnegative() })

const manifestEntrySchema = z.object({
  /** The image's manifest, or the index of several, in order of preference: OCI first, then Docker's. */
  manifests: z.array(documentSchema).min(1),
  /**
   * What must exist for the manifest to be served: of an image the config, then the layers from the
   * bottom; of an index the listed manifests and all that they need.
   */
  blobs: z.array(neededSchema),
  /** For people, what the image was made for. Entries of older versions have none, which is no fault. */
  about: aboutSchema.optional().catch(undefined),
  /**
   * The stored `ImageContents`. Nothing needs them to serve the image, so they may be lost; indexes and
   * images of older versions have none.
   */
  contents: neededSchema.optional().catch(undefined),
})

/** What an entry says of a stored document. */
export function describeDocument(document: ImageDocument): ManifestEntry['manifests'][number] {
  return { mediaType: document.mediaType, digest: document.digest, size: document.bytes.length }
}

/** Value of `builds/<key>`: the layer that one group of store paths was packed into. */
export type BuildEntry = z.infer<typeof buildEntrySchema>

/** Value of `manifests/<key>`: the image that one pinned request leads to. */
export type ManifestEntry = z.infer<typeof manifestEntrySchema>

/** What an image was first made for: equal requests of other revisions or spellings may share it. */
export type AboutImage = z.infer<typeof aboutSchema>

/** Reads a stored value; `undefined` when there is none or it is not a build entry. */
export function parseBuildEntry(value: unknown): BuildEntry | undefined {
  return buildEntrySchema.safeParse(value).data
}

/** Reads a stored value; `undefined` when there is none or it is not a manifest entry. */
export function parseManifestEntry(value: unknown): ManifestEntry | undefined {
  return manifestEntrySchema.safeParse(value).data
}
