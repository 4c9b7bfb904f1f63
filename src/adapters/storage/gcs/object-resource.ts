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

export interface GcsObjectInfo extends GcsGeneration {
  /** Milliseconds since 1970 by Google's clock: every write makes a new version. */
  readonly changedMs: number
}

const objectSchema = z.object({
  generation: z.coerce.string().regex(/^[0-9]+$/),
  size: z.coerce.number().default(0),
})

const infoSchema = objectSchema.extend({
  timeCreated: z.string().transform((text) => Date.parse(text)),
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
  const { generation, size } = parseAnswer(objectSchema, text)
  return { generation, sizeBytes: size }
}

/** What Google says of an object that it has. */
export function parseInfo(text: string): GcsObjectInfo {
  const { generation, size, timeCreated } = parseAnswer(infoSchema, text)
  return { generation, sizeBytes: size, changedMs: timeCreated }
}

function parseAnswer<Schema extends z.ZodType>(schema: Schema, text: string): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    throw new GcsAnswerError(502, `this is no answer of Google's: ${text.slice(0, 100)}`)
  }
}
