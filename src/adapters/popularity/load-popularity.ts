import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Popularity } from '#core/layers/popularity.ts'
import { digestOf } from '#core/oci/digest.ts'

const ratingsSchema = z.record(z.string(), z.number().nonnegative())

// nixpkgs' whole file is 1.5 MB.
const maxBytes = 64 * 1024 * 1024
const deadlineMs = 30_000

/** Loads a popularity snapshot: a JSON object from store path name to rating. Throws when it cannot. */
export async function loadPopularity(url: string): Promise<Popularity> {
  const bytes = await readAddress(new URL(url))
  if (bytes.length > maxBytes)
    throw new Error(`${url} has ${bytes.length} bytes, at most ${maxBytes} are allowed`)
  const ratings = ratingsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
  return { kind: 'snapshot', version: digestOf(bytes), ratings: new Map(Object.entries(ratings)) }
}

async function readAddress(url: URL): Promise<Uint8Array> {
  if (url.protocol === 'file:') return readFile(url)
  const response = await fetch(url, { signal: AbortSignal.timeout(deadlineMs) })
  if (!response.ok) throw new Error(`${url.href} answers ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}
