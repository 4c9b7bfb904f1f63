import type { Compression, LayerContent, MeasuredPath, PackedLayer } from '#engine/ports/packer.ts'
import type { SharedMemory } from './ring-memory.ts'
import type { SegmentShare } from './segment-cache.ts'

/** What the coordinator is started with. */
export interface CoordinatorData {
  readonly memory: SharedMemory
  /** Where store paths lie on this machine; in the archive they are below `nix/store`. */
  readonly storeDirectory: string
  /** Absent when segments are not kept. */
  readonly segments: SegmentShare | undefined
}

/** What is to be made: a layer, or the segment of a path that a layer will have. */
export type PackWork =
  | { readonly kind: 'layer'; readonly content: LayerContent }
  | { readonly kind: 'segment'; readonly measured: MeasuredPath }

export interface PackJob {
  readonly kind: 'job'
  /** Names the job in the answers. */
  readonly id: number
  readonly work: PackWork
  readonly compression: Compression
  /** Two 32-bit cells, see `creditCell` and `cancelCell`. */
  readonly control: Int32Array
}

/** Memory of a chunk that is written, for another one. */
export interface WrittenChunk {
  readonly kind: 'written'
  readonly memory: ArrayBuffer
}

/** What the coordinator is sent. */
export type PackRequest = PackJob | WrittenChunk

/** How many chunks the coordinator may still send; the main thread gives one back for each it has written. */
export const creditCell = 0
/** 1 once nobody wants the result any more. */
export const cancelCell = 1

/** A file of a new segment lies in its directory. */
export interface SegmentKept {
  readonly kind: 'segment-kept'
  readonly sizeBytes: number
}

/** All but `chunk` end the job. */
export type PackAnswer = { readonly id: number } & (
  | {
      readonly kind: 'chunk'
      readonly bytes: Uint8Array<ArrayBuffer>
      /** Of the archive, read when the chunk was full. */
      readonly archivedBytes: number
    }
  | { readonly kind: 'packed'; readonly layer: PackedLayer }
  | { readonly kind: 'prepared' }
  | {
      readonly kind: 'failed'
      readonly code: 'PACK_FAILED' | 'NO_PERMISSION'
      readonly message: string
      readonly cause: unknown
    }
  | { readonly kind: 'cancelled' }
)
