import { createHash } from 'node:crypto'
import { z } from 'zod'
import { GcsAnswerError } from './gcs-error.ts'
import type { UploadBody } from './upload-body.ts'

export interface GcsObjectSpec {
  readonly key: string
  readonly contentType: string
  /** What caches between the bucket and its readers may keep; Google's default unless given. */
  readonly cacheControl?: string
}

/** A version of an object. */
export interface GcsGeneration {
  readonly generation: string
  readonly sizeBytes: number
}

const objectSchema = z.object({
  generation: z.coerce.string().regex(/^[0-9]+$/),
  size: z.coerce.number().default(0),
})

/**
 * What Google is told of an object. It refuses bytes that have changed on their way, by their MD5:
 * Node has that one, and CRC32C in JavaScript takes four times as long.
 */
export async function formatResource(spec: GcsObjectSpec, body: UploadBody) {
  const md5 = createHash('md5')
  for await (const chunk of body.open()) md5.update(chunk as Uint8Array)
  const { key: name, contentType, cacheControl } = spec
  return { name, contentType, cacheControl, md5Hash: md5.digest('base64') }
}

/** What Google says of an object that it has taken. */
export function parseResource(text: string): GcsGeneration {
  try {
    const { generation, size } = objectSchema.parse(JSON.parse(text))
    return { generation, sizeBytes: size }
  } catch {
    throw new GcsAnswerError(502, `this is no answer of Google's: ${text.slice(0, 100)}`)
  }
}
