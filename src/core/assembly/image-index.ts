import type { Descriptor } from '#core/oci/descriptor.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { Platform } from '#core/nix/system.ts'
import { imageDocument, type ImageDocument } from './image-documents.ts'

/** The two manifests of the image for one platform. */
export interface PlatformManifests {
  readonly platform: Platform
  readonly oci: Descriptor
  readonly docker: Descriptor
}

/**
 * One name for the images of several platforms, in order of preference: an OCI image index
 * (image-spec, image-index.md), and Docker's manifest list for clients that know only that.
 */
export function assembleIndex(images: readonly PlatformManifests[]): {
  readonly ociIndex: ImageDocument
  readonly dockerList: ImageDocument
} {
  return {
    ociIndex: indexDocument(
      mediaTypes.ociIndex,
      images.map(({ platform, oci }) => describe(oci, platform)),
    ),
    dockerList: indexDocument(
      mediaTypes.dockerManifestList,
      images.map(({ platform, docker }) => describe(docker, platform)),
    ),
  }
}

function describe({ mediaType, digest, size }: Descriptor, platform: Platform): unknown {
  const { architecture, os, variant } = platform
  return {
    mediaType,
    digest,
    size,
    platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
  }
}

function indexDocument(mediaType: string, manifests: readonly unknown[]): ImageDocument {
  return imageDocument(mediaType, { schemaVersion: 2, mediaType, manifests })
}
