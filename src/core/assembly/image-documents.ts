import { digestOf, type Digest } from '#core/oci/digest.ts'
import { layerTypes, mediaTypes, type LayerCodec } from '#core/oci/media-types.ts'
import type { Descriptor } from '#core/oci/descriptor.ts'
import type { Platform } from '#core/nix/system.ts'

/** A packed layer as the image documents need it; bottom-most first in lists. */
export interface ImageLayer {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly diffId: Digest
  /** What `docker history` shows for the layer. */
  readonly createdBy: string
}

/** How containers of the image start (image-spec, config.md). */
export interface ImageOptions {
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  /** `NAME=value` */
  readonly env: readonly string[]
  readonly user?: string
  readonly workingDir?: string
  readonly labels?: Readonly<Record<string, string>>
  /** `8080/tcp` */
  readonly exposedPorts?: readonly string[]
}

/** A document with the name of its bytes. */
export interface ImageDocument {
  readonly mediaType: string
  readonly digest: Digest
  readonly bytes: Uint8Array
}

export interface ImageDocuments {
  readonly config: ImageDocument
  readonly ociManifest: ImageDocument
  /** The same image for clients that know only Docker's schema 2. */
  readonly dockerManifest: ImageDocument
}

// A build's clock must not reach the digest. One second after the epoch is the time of everything
// in a Nix store, and unlike the epoch itself it is not taken for "no time".
const created = '1970-01-01T00:00:01Z'

/** Joins packed layers into config and manifests. Equal arguments give equal bytes. */
export function assembleImage(
  platform: Platform,
  layers: readonly ImageLayer[],
  options: ImageOptions,
  codec: LayerCodec,
): ImageDocuments {
  const layer = layerTypes[codec]
  const config = imageDocument(mediaTypes.ociConfig, imageConfig(platform, layers, options))
  return {
    config,
    ociManifest: manifestDocument(config, layers, {
      manifest: mediaTypes.ociManifest,
      config: mediaTypes.ociConfig,
      layer: layer.oci,
    }),
    dockerManifest: manifestDocument(config, layers, {
      manifest: mediaTypes.dockerManifest,
      config: mediaTypes.dockerConfig,
      layer: layer.docker,
    }),
  }
}

/**
 * The image config (image-spec, config.md). `config` is always an object: dockershim and
 * `docker image inspect` fail on an image without one. Every history entry has `created`, which
 * docker reads without looking.
 */
function imageConfig(
  platform: Platform,
  layers: readonly ImageLayer[],
  options: ImageOptions,
): unknown {
  return {
    created,
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: containerConfig(options),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((layer) => ({ created, created_by: layer.createdBy })),
  }
}

/** Only what is set, in one order: equal options give equal bytes. */
function containerConfig(options: ImageOptions): Readonly<Record<string, unknown>> {
  const { entrypoint, cmd, env, user, workingDir, labels, exposedPorts } = options
  const members: readonly (readonly [string, unknown])[] = [
    ['User', user],
    ['ExposedPorts', exposedPorts && sortedRecord(exposedPorts.map((port) => [port, {}]))],
    ['Env', env],
    ['Entrypoint', entrypoint],
    ['Cmd', cmd],
    ['WorkingDir', workingDir],
    ['Labels', labels && sortedRecord(Object.entries(labels))],
  ]
  return Object.fromEntries(members.filter(([, value]) => value !== undefined))
}

function sortedRecord(
  members: readonly (readonly [string, unknown])[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

interface ManifestTypes {
  readonly manifest: string
  readonly config: string
  readonly layer: string
}

function manifestDocument(
  config: ImageDocument,
  layers: readonly ImageLayer[],
  types: ManifestTypes,
): ImageDocument {
  return imageDocument(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, digest: config.digest, size: config.bytes.length },
    layers: layers.map((layer): Descriptor => ({
      mediaType: types.layer,
      digest: layer.digest,
      size: layer.sizeBytes,
    })),
  })
}

/** A document as it is stored: its JSON without white space. */
export function imageDocument(mediaType: string, document: unknown): ImageDocument {
  const bytes = new TextEncoder().encode(JSON.stringify(document))
  return { mediaType, digest: digestOf(bytes), bytes }
}
