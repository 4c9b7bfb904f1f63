import { windowBytes, zstdBlockBytes } from './layer-format.ts'
import type { Compression } from '#engine/ports/packer.ts'

// What cannot be compressed grows: by 5 bytes per 16 KiB in deflate, by less in zstd.
const slackBytes = 64 * 1024

const slotBytes = windowBytes + zstdBlockBytes + slackBytes

// One word each, before the words of the slots.
const publishedCell = 0
const takenCell = 1
const firstSlotCell = 2

// Of each slot.
const stateWord = 0
const sizeWord = 1
const windowWord = 2
const codecWord = 3
const levelWord = 4
/** Belongs to a place in the order of publishing, not to the slot: which slot was published there. */
const orderWord = 5
const wordsPerSlot = 6

const filling = 0
const done = 1

const codecs = ['gzip', 'zstd'] as const

/** What threads are started with to share the memory. */
export interface SharedMemory {
  readonly cells: SharedArrayBuffer
  readonly slots: SharedArrayBuffer
}

/** What is published with a slot. */
interface BlockToCompress extends Compression {
  readonly sizeBytes: number
  /** How much of the window before the block may be referred to. */
  readonly windowBytes: number
}

/** A block that waits for its compression. */
interface FilledSlot {
  readonly windowAndBlock: Buffer
  readonly windowBytes: number
  readonly compression: Compression
}

/**
 * Memory for the blocks that are under way. Twice as many as there are compressors: each has one to
 * work on and one to go on with. A power of two, so that positions stay right when the counters
 * overflow. Pages that nobody touches (gzip's blocks are smaller than a slot) are not there.
 */
export function allocateMemory(compressors: number): SharedMemory {
  const slotCount = 2 ** Math.ceil(Math.log2(2 * compressors + 2))
  const words = firstSlotCell + slotCount * wordsPerSlot
  return {
    cells: new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT),
    slots: new SharedArrayBuffer(slotCount * slotBytes),
  }
}

/**
 * One thread's view of the memory. The coordinator fills slots and publishes them; compressors take
 * them in that order, put the compressed bytes in the place of the block and say that they are done.
 */
export class RingMemory {
  readonly slotCount: number
  readonly contentsBytes = zstdBlockBytes + slackBytes
  readonly #cells: Int32Array
  readonly #slots: SharedArrayBuffer

  constructor({ cells, slots }: SharedMemory) {
    this.#cells = new Int32Array(cells)
    this.#slots = slots
    this.slotCount = slots.byteLength / slotBytes
  }

  /** Of the slot, before its block; the bytes that deflate may refer to end where the block begins. */
  window(slot: number): Buffer {
    return Buffer.from(this.#slots, slot * slotBytes, windowBytes)
  }

  /** Of the slot; the compressed bytes take the place of the block. */
  contents(slot: number): Buffer {
    return Buffer.from(this.#slots, slot * slotBytes + windowBytes, this.contentsBytes)
  }

  /** Makes a filled slot the next that a compressor takes. */
  publish(slot: number, block: BlockToCompress): void {
    this.#set(slot, stateWord, filling)
    this.#set(slot, sizeWord, block.sizeBytes)
    this.#set(slot, windowWord, block.windowBytes)
    this.#set(slot, codecWord, codecs.indexOf(block.codec))
    this.#set(slot, levelWord, block.level)
    const position = Atomics.load(this.#cells, publishedCell)
    this.#set(position & (this.slotCount - 1), orderWord, slot)
    Atomics.add(this.#cells, publishedCell, 1)
    Atomics.notify(this.#cells, publishedCell)
  }

  /** Waits for a published slot that no other compressor has; never ends without one. */
  take(): number {
    const position = Atomics.add(this.#cells, takenCell, 1)
    for (;;) {
      const published = Atomics.load(this.#cells, publishedCell)
      // The difference is right when the counters overflow, too.
      if (((published - position) | 0) > 0) break
      Atomics.wait(this.#cells, publishedCell, published)
    }
    return this.#get(position & (this.slotCount - 1), orderWord)
  }

  /** A block as it was published, with what stands before it. */
  filled(slot: number): FilledSlot {
    const sizeBytes = this.#get(slot, sizeWord)
    const wantedBytes = this.#get(slot, windowWord)
    const start = slot * slotBytes + windowBytes - wantedBytes
    return {
      windowAndBlock: Buffer.from(this.#slots, start, wantedBytes + sizeBytes),
      windowBytes: wantedBytes,
      compression: {
        codec: codecs[this.#get(slot, codecWord)]!,
        level: this.#get(slot, levelWord),
      },
    }
  }

  /** Puts pieces in the place of the block, one after the other. They may be parts of the block. */
  finish(slot: number, pieces: readonly Uint8Array[]): void {
    const contents = this.contents(slot)
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    contents.set(bytes)
    this.finishFilled(slot, bytes.length)
  }

  /** Says that so many bytes in the place of the block are what is to be delivered. */
  finishFilled(slot: number, sizeBytes: number): void {
    this.#set(slot, sizeWord, sizeBytes)
    this.#set(slot, stateWord, done)
    Atomics.notify(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord)
  }

  isDone(slot: number): boolean {
    return this.#get(slot, stateWord) === done
  }

  /** The bytes in the place of the block, once they are done. */
  waitForResult(slot: number): Buffer {
    while (!this.isDone(slot))
      Atomics.wait(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord, filling)
    return this.contents(slot).subarray(0, this.#get(slot, sizeWord))
  }

  #get(slot: number, word: number): number {
    return Atomics.load(this.#cells, firstSlotCell + slot * wordsPerSlot + word)
  }

  #set(slot: number, word: number, value: number): void {
    Atomics.store(this.#cells, firstSlotCell + slot * wordsPerSlot + word, value)
  }
}
