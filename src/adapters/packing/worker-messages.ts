import type { LayerContent, PackedLayer } from '#engine/ports/packer.ts'

/** What a worker thread needs to know to pack one layer. */
export interface PackJob {
  readonly content: LayerContent
  readonly level: number
  /** Where store paths lie on this machine; in the archive they are below `nix/store`. */
  readonly storeDirectory: string
  /** Two 32-bit cells, see `creditCell` and `cancelCell`. */
  readonly control: Int32Array
}

/** How many chunks the worker may still send; the main thread gives one back for each it has written. */
export const creditCell = 0
/** 1 once nobody wants the layer any more. */
export const cancelCell = 1

export type WorkerMessage =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'packed'; readonly layer: PackedLayer }
  | {
      readonly kind: 'failed'
      readonly code: 'PACK_FAILED' | 'NO_PERMISSION'
      readonly message: string
      readonly cause: unknown
    }
  | { readonly kind: 'cancelled' }
