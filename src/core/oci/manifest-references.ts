import type { Descriptor } from './descriptor.ts'
import { parseDigest } from './digest.ts'
import { mediaTypes } from './media-types.ts'

/** What a stored manifest or index says of itself and of what it needs. */
export interface ManifestReferences {
  readonly kind: 'manifest' | 'index'
  readonly mediaType: string
  /** Of a manifest its config and layers, of an index the manifests that it lists. */
  readonly references: readonly Descriptor[]
}

const kinds: ReadonlyMap<unknown, ManifestReferences['kind']> = new Map([
  [mediaTypes.ociManifest, 'manifest'],
  [mediaTypes.dockerManifest, 'manifest'],
  [mediaTypes.ociIndex, 'index'],
  [mediaTypes.dockerManifestList, 'index'],
])

/**
 * Reads a manifest or an index (image-spec, manifest.md and image-index.md); `undefined` for bytes
 * that are neither, or that refer to something without naming it. Every manifest made here states
 * its media type.
 */
export function parseManifestReferences(bytes: Uint8Array): ManifestReferences | undefined {
  const document = parseObject(bytes)
  const kind = kinds.get(document?.['mediaType'])
  if (document === undefined || kind === undefined) return undefined
  const listed =
    kind === 'index' ? document['manifests'] : listOf(document['config'], document['layers'])
  if (!Array.isArray(listed)) return undefined
  const references = listed.map(parseDescriptor)
  if (!references.every((reference) => reference !== undefined)) return undefined
  return { kind, mediaType: document['mediaType'] as string, references }
}

function listOf(config: unknown, layers: unknown): unknown {
  return Array.isArray(layers) ? [config, ...(layers as readonly unknown[])] : undefined
}

function parseDescriptor(value: unknown): Descriptor | undefined {
  const { mediaType, digest: text, size } = asRecord(value) ?? {}
  const digest = typeof text === 'string' ? parseDigest(text) : undefined
  const isSize = Number.isSafeInteger(size) && (size as number) >= 0
  if (typeof mediaType !== 'string' || digest === undefined || !isSize) return undefined
  return { mediaType, digest, size: size as number }
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    return asRecord(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}
