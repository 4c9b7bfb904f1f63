import { cancelCell, creditCell } from './worker-messages.ts'

/** Thrown on the worker thread when nobody wants the layer any more. */
export class Cancelled extends Error {}

export const chunkBytes = 1024 * 1024

/** How chunks come and go. */
export interface ChunkPost {
  /** Memory of `chunkBytes` for the next chunk. */
  readonly take: () => Uint8Array<ArrayBuffer>
  readonly send: (bytes: Uint8Array<ArrayBuffer>) => void
}

/**
 * Hands compressed bytes to the main thread in chunks of 1 MiB. Waits while all credit is spent, so
 * that a slow disk holds the worker back instead of filling the memory.
 */
export class ChunkSender {
  #chunk: Uint8Array<ArrayBuffer> | undefined
  #filledBytes = 0
  #sentBytes = 0
  readonly #control: Int32Array
  readonly #post: ChunkPost

  constructor(control: Int32Array, post: ChunkPost) {
    this.#control = control
    this.#post = post
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  append(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const part = bytes.subarray(start, start + chunkBytes - this.#filledBytes)
      this.#chunk ??= this.#post.take()
      this.#chunk.set(part, this.#filledBytes)
      this.#filledBytes += part.length
      start += part.length
      if (this.#filledBytes === chunkBytes) this.flush()
    }
  }

  /** Sends what has gathered. */
  flush(): void {
    if (this.#chunk === undefined) return
    this.#takeCredit()
    this.#sentBytes += this.#filledBytes
    const chunk = this.#chunk.subarray(0, this.#filledBytes)
    this.#chunk = undefined
    this.#filledBytes = 0
    this.#post.send(chunk)
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
