import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'

/** Where the popularity of this start comes from; `error` says why not from the address. */
export type LoadedPopularity =
  | { readonly kind: 'loaded'; readonly popularity: Popularity }
  | { readonly kind: 'kept'; readonly popularity: Popularity; readonly error: unknown }
  | { readonly kind: 'missing'; readonly error: unknown }

const ratingsSchema = z.record(z.string(), z.number().nonnegative())

// nixpkgs' whole file is 1.5 MB.
const maxBytes = 16 * 1024 * 1024
const deadlineMs = 30_000

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
  let bytes: Uint8Array
  let popularity: Popularity
  try {
    bytes = await readAddress(new URL(url), signal)
    popularity = parseSnapshot(bytes)
  } catch (error) {
    signal.throwIfAborted()
    return readKept(keptPath, error)
  }
  await guardFilesystem('cannot keep the popularity', () => replaceFile(keptPath, bytes))
  return { kind: 'loaded', popularity }
}

function parseSnapshot(bytes: Uint8Array): Popularity {
  const ratings = ratingsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
  return { kind: 'snapshot', version: digestOf(bytes), ratings: new Map(Object.entries(ratings)) }
}

async function readKept(path: string, error: unknown): Promise<LoadedPopularity> {
  const bytes = await guardFilesystem('cannot read the kept popularity', () =>
    unlessMissing(readFile(path)),
  )
  if (bytes === undefined) return { kind: 'missing', error }
  try {
    return { kind: 'kept', popularity: parseSnapshot(bytes), error }
  } catch {
    return { kind: 'missing', error: new Error(`${path} is damaged`, { cause: error }) }
  }
}

async function readAddress(url: URL, signal: AbortSignal): Promise<Uint8Array> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)])
  if (url.protocol === 'file:') return readBounded(url, createReadStream(url, { signal: patience }))
  const response = await fetch(url, { signal: patience })
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    throw new Error(`${url.href} answers ${response.status}`)
  }
  return readBounded(url, response.body)
}

async function readBounded(url: URL, body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) throw new Error(`${url.href} has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Gives the file its new content at once, or leaves it as it was. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  // Two processes may start on one state directory.
  const unfinished = `${path}.${randomUUID()}.new`
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(unfinished, bytes, { flush: true })
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
}
