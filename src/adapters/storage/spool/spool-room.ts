import { abortable } from '#engine/abortable.ts'

/**
 * Room on disk that many uploads share. Who holds nothing is never kept waiting: so every upload can
 * fill one part, whatever the others do, and a part that is full leaves by itself when it is stored.
 * No upload waits for another one, and none for ever; in exchange the bound is exceeded by at most
 * one part per upload.
 */
export class SpoolRoom {
  readonly #mostBytes: number
  readonly #heldBytes = new Map<object, number>()
  #takenBytes = 0
  #change = Promise.withResolvers<void>()

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  async take(holder: object, sizeBytes: number, signal: AbortSignal): Promise<void> {
    while (this.#heldBytes.has(holder) && this.#takenBytes + sizeBytes > this.#mostBytes)
      await abortable(this.#change.promise, signal)
    this.#count(holder, sizeBytes)
  }

  giveBack(holder: object, sizeBytes: number): void {
    this.#count(holder, -sizeBytes)
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  #count(holder: object, sizeBytes: number): void {
    this.#takenBytes += sizeBytes
    const heldBytes = (this.#heldBytes.get(holder) ?? 0) + sizeBytes
    if (heldBytes === 0) this.#heldBytes.delete(holder)
    else this.#heldBytes.set(holder, heldBytes)
  }
}
