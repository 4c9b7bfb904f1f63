import type { Digest } from '#core/oci/digest.ts'
import type { LayerCodec } from '#core/oci/media-types.ts'
import type { ClosureNode } from '#core/nix/closure-graph.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'

/** How a layer archive is compressed; part of every cache key. */
export interface Compression {
  readonly codec: LayerCodec
  readonly level: number
}

/** A store path with the size that Nix's database has of it. */
export type MeasuredPath = Pick<ClosureNode, 'path' | 'narSizeBytes'>

/** What goes into a layer archive. */
export type LayerContent =
  | { readonly kind: 'store-paths'; readonly paths: readonly MeasuredPath[] }
  | { readonly kind: 'entries'; readonly entries: readonly TarEntry[] }

export interface PackedLayer {
  /** Of the compressed bytes. */
  readonly digest: Digest
  readonly sizeBytes: number
  /** Of the archive before compression. */
  readonly diffId: Digest
  readonly archiveSizeBytes: number
}

/** Takes compressed bytes, and learns how many bytes of the archive were compressed so far. */
export type WriteChunk = (chunk: Uint8Array, archivedBytes: number) => Promise<void>

/** Makes the bytes of one layer, away from the thread that serves requests. */
export interface Packer {
  /**
   * Says that there will soon be something to pack: what it takes to begin is done meanwhile. Need not
   * be called.
   */
  warmUp(): void

  /**
   * Hands compressed bytes to `write` in order, waiting for each call to finish before much more
   * is produced; the bytes are lent for that time. A store path that is not what Nix's database says, or changes while it is read,
   * rejects.
   */
  pack(
    content: LayerContent,
    compression: Compression,
    write: WriteChunk,
    signal: AbortSignal,
  ): Promise<PackedLayer>

  /**
   * Compresses a store path ahead of the layer that it will be in, when nothing more urgent is to be
   * packed. Rejects as `pack` does; whoever calls it may ignore that, since `pack` needs nothing of it.
   */
  prepare(path: MeasuredPath, compression: Compression, signal: AbortSignal): Promise<void>
}
