import type { Bucket } from '@google-cloud/storage'
import { z } from 'zod'
import type { GcsCalls } from './gcs-calls.ts'
import { statusOf } from './gcs-error.ts'
import type { GcsGeneration } from './object-resource.ts'

// As many as Google composes in one request.
const mostComponents = 32

const composeTimeoutMs = 60_000

const composedSchema = z.tuple([
  z.unknown(),
  z.object({ generation: z.coerce.string(), size: z.coerce.number() }),
])

export interface ComposeTools {
  readonly bucket: Bucket
  readonly calls: GcsCalls
  readonly contentType: string
}

/** Makes an object of at most 32 others, on the condition of `insert` in `gcs-transfer.ts`. */
export function composeOnce(
  { bucket, calls, contentType }: ComposeTools,
  sources: readonly string[],
  key: string,
  ifGeneration: string | undefined,
  signal: AbortSignal,
): Promise<GcsGeneration | undefined> {
  const target = bucket.file(key)
  target.metadata.contentType = contentType
  const condition = ifGeneration === undefined ? {} : { ifGenerationMatch: ifGeneration }
  return calls.once(
    `cannot join ${sources.length} parts in ${key}`,
    async () => {
      try {
        const [, { generation, size }] = composedSchema.parse(
          await bucket.combine([...sources], target, condition),
        )
        return { generation, sizeBytes: size }
      } catch (error) {
        if (statusOf(error) === 412 && ifGeneration !== undefined) return undefined
        throw error
      }
    },
    signal,
    composeTimeoutMs,
  )
}

/**
 * Joins parts into ever fewer objects until one more request makes the object of them, and gives
 * those. 33 parts become two objects, of 32 parts and of one; a thousand parts 32 objects.
 */
export async function composeTree(
  tools: ComposeTools,
  parts: readonly string[],
  nameObject: () => string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let level = parts
  while (level.length > mostComponents) {
    const next: string[] = []
    for (let start = 0; start < level.length; start += mostComponents) {
      const group = level.slice(start, start + mostComponents)
      const key = nameObject()
      await composeOnce(tools, group, key, undefined, signal)
      next.push(key)
    }
    level = next
  }
  return level
}
