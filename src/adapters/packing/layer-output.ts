import { createHash } from 'node:crypto'
import { digestFromHash } from '#core/oci/digest.ts'
import type { PackedLayer } from '#engine/ports/packer.ts'
import { Cancelled, type ChunkSender } from './chunk-sender.ts'

/** The compressed bytes of one layer on their way to the main thread. */
export class LayerOutput {
  readonly #hash = createHash('sha256')
  readonly #sender: ChunkSender
  #isWanted = true

  constructor(sender: ChunkSender) {
    this.#sender = sender
  }

  /** Takes bytes in order; waits while the main thread has too many. Never throws. */
  readonly accept = (bytes: Uint8Array): void => {
    this.#unlessCancelled(() => {
      this.#sender.throwIfCancelled()
      this.#hash.update(bytes)
      this.#sender.append(bytes)
    })
  }

  /** Throws `Cancelled` when nobody wants the layer any more. */
  readonly check = (): void => {
    this.#sender.throwIfCancelled()
  }

  /** Nothing more is taken. */
  drop(): void {
    this.#isWanted = false
  }

  /** Sends what is left; `undefined` when the layer was cancelled. */
  end(): Pick<PackedLayer, 'digest' | 'sizeBytes'> | undefined {
    this.#unlessCancelled(() => this.#sender.flush())
    if (!this.#isWanted) return undefined
    return { digest: digestFromHash(this.#hash), sizeBytes: this.#sender.sentBytes }
  }

  #unlessCancelled(step: () => void): void {
    if (!this.#isWanted) return
    try {
      step()
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
      this.drop()
    }
  }
}
