/** Media types of image-spec (media-types.md) and of Docker's image manifest version 2, schema 2. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  // Not Docker's own, whose manifests are older than zstd. BuildKit writes it, and containerd 2 and
  // newer Podmans read it.
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const

/** How the archive of a layer is compressed. */
export type LayerCodec = 'gzip' | 'zstd'

/** What manifests of both kinds call a layer. */
export const layerTypes: Readonly<
  Record<LayerCodec, { readonly oci: string; readonly docker: string }>
> = {
  gzip: { oci: mediaTypes.ociLayerGzip, docker: mediaTypes.dockerLayerGzip },
  zstd: { oci: mediaTypes.ociLayerZstd, docker: mediaTypes.dockerLayerZstd },
}

/** The documents that `/v2/<name>/manifests/<digest>` may return. */
export const manifestMediaTypes: readonly string[] = [
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerManifestList,
]
