import { windowBytes, zstdBlockBytes } from './layer-format.ts'

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
const kindWord = 3
const levelWord = 4
/** Belongs to a place in the order of publishing, not to the slot: which slot was published there. */
const orderWord = 5
const resultWord = 6
const wordsPerSlot = 7

const filling = 0
const done = 1

/** What is to be made of a block: its compressed bytes, or the CRC-32 of it. */
const kinds = ['gzip', 'zstd', 'crc'] as const

/** What threads are started with to share the memory. */
export interface SharedMemory {
  readonly cells: SharedArrayBuffer
  readonly slots: SharedArrayBuffer
}

/** What is published with a slot. */
export interface BlockWork {
  readonly kind: (typeof kinds)[number]
  /** Of a compressor; the CRC has none. */
  readonly level: number
  readonly sizeBytes: number
  /** How much of the window before the block may be referred to. */
  readonly windowBytes: number
}

/** A block that waits for its compressor. */
interface FilledSlot extends Pick<BlockWork, 'kind' | 'level' | 'windowBytes'> {
  readonly windowAndBlock: Buffer
}

/**
 * Memory for the blocks that are under way. Twice as many as there are compressors: each has one to
 * work on and one to go on with; four are what reading a segment beside them takes. A power of two, so
 * that positions stay right when the counters overflow. Pages that nobody touches (gzip's blocks are smaller than a slot) are not there.
 */
export function allocateMemory(compressors: number): SharedMemory {
  const slotCount = Math.max(4, 2 ** Math.ceil(Math.log2(2 * compressors)))
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
  publish(slot: number, work: BlockWork): void {
    this.#set(slot, stateWord, filling)
    this.#set(slot, sizeWord, work.sizeBytes)
    this.#set(slot, windowWord, work.windowBytes)
    this.#set(slot, kindWord, kinds.indexOf(work.kind))
    this.#set(slot, levelWord, work.level)
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
      kind: kinds[this.#get(slot, kindWord)]!,
      level: this.#get(slot, levelWord),
    }
  }

  /**
   * Puts pieces in the place of the block, one after the other, and gives their size. They may be
   * parts of the block.
   */
  replace(slot: number, pieces: readonly Uint8Array[]): number {
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    this.contents(slot).set(bytes)
    return bytes.length
  }

  /** The result is how many bytes stand in the place of the block now, or its CRC. */
  finish(slot: number, result: number): void {
    this.#set(slot, resultWord, result)
    this.#set(slot, stateWord, done)
    Atomics.notify(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord)
  }

  isDone(slot: number): boolean {
    return this.#get(slot, stateWord) === done
  }

  /** What was given to `finish`, once it was. */
  waitForResult(slot: number): number {
    while (!this.isDone(slot))
      Atomics.wait(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord, filling)
    return this.#get(slot, resultWord)
  }

  #get(slot: number, word: number): number {
    return Atomics.load(this.#cells, firstSlotCell + slot * wordsPerSlot + word)
  }

  #set(slot: number, word: number, value: number): void {
    Atomics.store(this.#cells, firstSlotCell + slot * wordsPerSlot + word, value)
  }
}
