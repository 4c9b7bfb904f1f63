import { z } from 'zod'
import type { ImageContents } from '#core/assembly/image-contents.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import { digestSchema, type ManifestEntry } from '../stored-entries.ts'

const place = z.number().int().nonnegative()

const contentsSchema: z.ZodType<ImageContents> = z
  .object({
    closure: z.array(
      z.object({
        path: z.string().regex(/^[0-9a-z]{32}-[-.+_?=0-9a-zA-Z]{1,211}$/),
        narSizeBytes: z.number().int().nonnegative(),
        references: z.array(place),
      }),
    ),
    layers: z.array(z.object({ digest: digestSchema, paths: z.array(place) })),
  })
  .refine(({ closure, layers }) =>
    [...closure.map(({ references }) => references), ...layers.map(({ paths }) => paths)].every(
      (places) => places.every((each) => each < closure.length),
    ),
  )

/** What was noted of an image; `undefined` when nothing was, or when it was lost or damaged. */
export async function readContents(
  blobs: BlobReader,
  { contents }: ManifestEntry,
  signal: AbortSignal,
): Promise<ImageContents | undefined> {
  const bytes = contents && (await blobs.readDocument(contents.digest, signal))
  return bytes && contentsSchema.safeParse(parseJson(bytes)).data
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
