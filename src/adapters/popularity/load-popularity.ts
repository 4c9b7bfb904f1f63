import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { describeIssue } from '#adapters/yaml/describe-issue.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { readAddress } from './read-address.ts'
import { replaceFile } from './replace-file.ts'

/** Where the popularity of this start comes from; `error` says why not from the address. */
export type LoadedPopularity =
  | { readonly kind: 'loaded'; readonly popularity: Popularity }
  | { readonly kind: 'kept'; readonly popularity: Popularity; readonly error: unknown }
  | { readonly kind: 'missing'; readonly error: unknown }

const rating = z.number('a number from 0 on').nonnegative('a number from 0 on')
const ratingsSchema = z.record(z.string(), rating, 'a JSON object {"name": number}')

// nixpkgs' whole file is 1.5 MB.
const limits = { maxBytes: 16 * 1024 * 1024, deadlineMs: 30_000 }

/**
 * Loads a popularity snapshot: a JSON object from store path name to rating. It decides the digests
 * of images, and one failed download must not change them: what was loaded is kept in `directory`, a
 * file per address, and serves when the address cannot be read. Throws when `signal` is aborted and
 * when the snapshot cannot be kept.
 */
export async function loadPopularity(
  url: string,
  directory: string,
  signal: AbortSignal,
): Promise<LoadedPopularity> {
  const keptPath = join(directory, `${digestHex(digestOf(url))}.json`)
  const reading = await readAddress(new URL(url), limits, signal)
  if (reading.kind !== 'read') return readKept(keptPath, reading.error)
  const { bytes } = reading
  const parsed = parseSnapshot(bytes)
  if (parsed.kind === 'wrong')
    return readKept(keptPath, new Error(`${url} is no popularity file: ${parsed.message}`))
  await guardFilesystem('cannot keep the popularity', () => replaceFile(keptPath, bytes))
  return { kind: 'loaded', popularity: parsed.popularity }
}

type ParsedSnapshot =
  | { readonly kind: 'snapshot'; readonly popularity: Popularity }
  /** One line. */
  | { readonly kind: 'wrong'; readonly message: string }

function parseSnapshot(bytes: Uint8Array): ParsedSnapshot {
  const parsed = ratingsSchema.safeParse(parseJson(bytes), { reportInput: true })
  if (!parsed.success) return { kind: 'wrong', message: describeIssue(parsed.error) }
  const ratings = new Map(Object.entries(parsed.data))
  return { kind: 'snapshot', popularity: { kind: 'snapshot', version: digestOf(bytes), ratings } }
}

/** `undefined` for what is no JSON. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

async function readKept(path: string, error: unknown): Promise<LoadedPopularity> {
  const bytes = await guardFilesystem('cannot read the kept popularity', () =>
    unlessMissing(readFile(path)),
  )
  if (bytes === undefined) return { kind: 'missing', error }
  const parsed = parseSnapshot(bytes)
  return parsed.kind === 'snapshot'
    ? { kind: 'kept', popularity: parsed.popularity, error }
    : { kind: 'missing', error: new Error(`${path} is damaged`, { cause: error }) }
}
