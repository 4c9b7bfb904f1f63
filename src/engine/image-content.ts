import type { Readable } from 'node:stream'
import type { Descriptor } from '#core/oci/descriptor.ts'
import type { Digest } from '#core/oci/digest.ts'
import { parseManifestReferences } from '#core/oci/manifest-references.ts'
import { OperatingError } from './operating-error.ts'
import type { BlobReader } from './ports/blob-store.ts'

/** A manifest or an index, whole. */
export interface ImageDocument extends Descriptor {
  readonly bytes: Uint8Array
}

/** The image for one platform. */
export interface ImageManifest extends ImageDocument {
  readonly config: Descriptor
  /** From the bottom. */
  readonly layers: readonly Descriptor[]
}

/** A stored image with all that belongs to it, for those who take it elsewhere. */
export interface ImageContent {
  /** What the registry answers a tag with: the only manifest, or the index of several. */
  readonly root: ImageDocument
  readonly manifests: readonly [ImageManifest, ...ImageManifest[]]
  /** Configs and layers, each once. */
  readonly blobs: readonly Descriptor[]
  /** The bytes of a config or a layer, which are compared with the digest on their way. */
  open(digest: Digest, signal: AbortSignal): Promise<Readable>
}

/** Reads the documents of an image. Throws an `OperatingError` when something is gone since it was served. */
export async function readImageContent(
  blobs: BlobReader,
  digest: Digest,
  signal: AbortSignal,
): Promise<ImageContent> {
  const root = await readDocument(blobs, digest, signal)
  const manifests =
    root.kind === 'manifest'
      ? [root]
      : await Promise.all(
          root.references.map((listed) => readDocument(blobs, listed.digest, signal)),
        )
  const [first, ...others] = manifests.map(toManifest)
  if (first === undefined) throw new OperatingError('STORAGE_FAILED', `${digest} lists no image`)
  const needed = manifests.flatMap(({ references }) => references)
  return {
    root,
    manifests: [first, ...others],
    blobs: [...new Map(needed.map((blob) => [blob.digest, blob])).values()],
    async open(wanted, until) {
      const stream = await blobs.open(wanted, undefined, until)
      return stream ?? gone(wanted)
    },
  }
}

interface ReadDocument extends ImageDocument {
  readonly kind: 'manifest' | 'index'
  readonly references: readonly Descriptor[]
}

async function readDocument(
  blobs: BlobReader,
  digest: Digest,
  signal: AbortSignal,
): Promise<ReadDocument> {
  const bytes = (await blobs.readDocument(digest, signal)) ?? gone(digest)
  const read = parseManifestReferences(bytes)
  if (read === undefined) throw new OperatingError('STORAGE_FAILED', `${digest} is no manifest`)
  return { ...read, digest, size: bytes.length, bytes }
}

function toManifest({ references, ...document }: ReadDocument): ImageManifest {
  const [config, ...layers] = references
  if (config === undefined)
    throw new OperatingError('STORAGE_FAILED', `${document.digest} names no config`)
  const { mediaType, digest, size, bytes } = document
  return { mediaType, digest, size, bytes, config, layers }
}

function gone(digest: Digest): never {
  throw new OperatingError(
    'STORAGE_BUSY',
    `${digest} was removed from the storage while the image was read`,
  )
}
