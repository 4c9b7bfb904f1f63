import { cancelCell, creditCell } from './worker-messages.ts'

/** Thrown on the worker thread when nobody wants the layer any more. */
export class Cancelled extends Error {}

const chunkBytes = 1024 * 1024

/**
 * Hands compressed bytes to the main thread in chunks of 1 MiB. Waits while all credit is spent, so
 * that a slow disk holds the worker back instead of filling the memory.
 */
export class ChunkSender {
  #chunk = new Uint8Array(chunkBytes)
  #filledBytes = 0
  #sentBytes = 0
  readonly #control: Int32Array
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void

  constructor(control: Int32Array, post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#control = control
    this.#post = post
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  append(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const part = bytes.subarray(start, start + chunkBytes - this.#filledBytes)
      this.#chunk.set(part, this.#filledBytes)
      this.#filledBytes += part.length
      start += part.length
      if (this.#filledBytes === chunkBytes) this.flush()
    }
  }

  /** Sends what has gathered. */
  flush(): void {
    if (this.#filledBytes === 0) return
    this.#takeCredit()
    this.#sentBytes += this.#filledBytes
    const chunk = this.#chunk.subarray(0, this.#filledBytes)
    this.#chunk = new Uint8Array(chunkBytes)
    this.#filledBytes = 0
    this.#post(chunk)
  }

  /** Ends the work on a layer that nobody waits for. */
  throwIfCancelled(): void {
    if (Atomics.load(this.#control, cancelCell) !== 0) throw new Cancelled()
  }

  #takeCredit(): void {
    for (;;) {
      this.throwIfCancelled()
      const credit = Atomics.load(this.#control, creditCell)
      if (credit === 0) Atomics.wait(this.#control, creditCell, 0)
      else if (Atomics.compareExchange(this.#control, creditCell, credit, credit - 1) === credit)
        return
    }
  }
}
