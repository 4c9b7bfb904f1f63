import type { ImageContents, NotedLayer, NotedPath } from '#core/assembly/image-contents.ts'
import { parseDigest } from '#core/oci/digest.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { ManifestEntry } from '../stored-entries.ts'

/** What was noted of an image; `undefined` when nothing was, or when it was lost or damaged. */
export async function readContents(
  blobs: BlobReader,
  { contents }: Pick<ManifestEntry, 'contents'>,
  signal: AbortSignal,
): Promise<ImageContents | undefined> {
  const bytes = contents && (await blobs.readDocument(contents.digest, signal))
  const value = bytes && parseJson(bytes)
  return isContents(value) ? value : undefined
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

type Unread<Value> = { readonly [Key in keyof Value]?: unknown } | null | undefined

// By hand: a schema takes a third of a second for 10,000 store paths, in which nobody else is served.

function isContents(value: unknown): value is ImageContents {
  const { closure, layers } = (value ?? {}) as NonNullable<Unread<ImageContents>>
  return (
    Array.isArray(closure) &&
    Array.isArray(layers) &&
    closure.every((each) => isPath(each, closure.length)) &&
    layers.every((each) => isLayer(each, closure.length))
  )
}

const baseName = /^[0-9a-z]{32}-[-.+_?=0-9a-zA-Z]{1,211}$/

function isPath(value: Unread<NotedPath>, end: number): boolean {
  return (
    typeof value?.path === 'string' &&
    baseName.test(value.path) &&
    isCount(value.narSizeBytes) &&
    arePlaces(value.references, end) &&
    (value.asked === undefined || value.asked === true)
  )
}

function isLayer(value: Unread<NotedLayer>, end: number): boolean {
  const isNamed = typeof value?.digest === 'string' && parseDigest(value.digest) !== undefined
  return isNamed && arePlaces(value.paths, end)
}

function arePlaces(value: unknown, end: number): boolean {
  return Array.isArray(value) && value.every((place) => isCount(place) && place < end)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
