import { windowBytes, zstdBlockBytes } from './layer-format.ts'
import type { FilePieces } from './load-pieces.ts'

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
// Of pieces of a file; the size is that of the last one.
const fileWord = 7
const firstPieceWord = 8
const pieceCountWord = 9
const wordsPerSlot = 10

const filling = 0
const done = 1
const failed = 2

/** What is to be made of a block: its compressed bytes, or the CRC-32 of it, or of a file that is read into it. */
const kinds = ['gzip', 'zstd', 'crc', 'load'] as const

/** What threads are started with to share the memory. */
export interface SharedMemory {
  /** One cell, which all memories with the same compressors have: how often something was published. */
  readonly bell: SharedArrayBuffer
  readonly cells: SharedArrayBuffer
  readonly slots: SharedArrayBuffer
}

/** What is published with a slot. */
export interface BlockWork {
  readonly kind: Exclude<(typeof kinds)[number], 'load'>
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

/** A slot that waits to be filled from a file. */
interface LoadingSlot extends FilePieces {
  readonly kind: 'load'
}

// A coordinator that reads alone for more compressors than that would be too slow for them anyhow.
const mostFedCompressors = 8

/**
 * Memory for the blocks that are under way from each of several coordinators to the same compressors.
 * Twice as many as there are compressors: each has one to work on and one to go on with; four are what
 * reading a segment beside them takes. A power of two, so that positions stay right when the counters
 * overflow. Pages that nobody touches (gzip's blocks are smaller than a slot) are not there.
 */
export function allocateMemories(coordinators: number, compressors: number): SharedMemory[] {
  const fed = Math.min(compressors, mostFedCompressors)
  const slotCount = Math.max(4, 2 ** Math.ceil(Math.log2(2 * fed)))
  const words = firstSlotCell + slotCount * wordsPerSlot
  const bell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  return Array.from({ length: coordinators }, () => ({
    bell,
    cells: new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT),
    slots: new SharedArrayBuffer(slotCount * slotBytes),
  }))
}

/**
 * One thread's view of the memory. The coordinator fills slots and publishes them; compressors take
 * them in that order, put the compressed bytes in the place of the block and say that they are done.
 */
export class RingMemory {
  readonly slotCount: number
  readonly contentsBytes = zstdBlockBytes + slackBytes
  readonly #bell: Int32Array
  readonly #cells: Int32Array
  readonly #slots: SharedArrayBuffer

  constructor({ bell, cells, slots }: SharedMemory) {
    this.#bell = new Int32Array(bell)
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
    this.#set(slot, sizeWord, work.sizeBytes)
    this.#set(slot, windowWord, work.windowBytes)
    this.#set(slot, levelWord, work.level)
    this.#publish(slot, work.kind)
  }

  /** Has a slot filled from a file by a compressor, in its turn. */
  publishLoad(slot: number, pieces: FilePieces): void {
    this.#set(slot, fileWord, pieces.file)
    this.#set(slot, firstPieceWord, pieces.firstPiece)
    this.#set(slot, pieceCountWord, pieces.pieceCount)
    this.#set(slot, sizeWord, pieces.lastPieceBytes)
    this.#publish(slot, 'load')
  }

  #publish(slot: number, kind: (typeof kinds)[number]): void {
    this.#set(slot, stateWord, filling)
    this.#set(slot, kindWord, kinds.indexOf(kind))
    const position = Atomics.load(this.#cells, publishedCell)
    this.#set(position & (this.slotCount - 1), orderWord, slot)
    Atomics.add(this.#cells, publishedCell, 1)
    Atomics.add(this.#bell, 0, 1)
    Atomics.notify(this.#bell, 0, 1)
  }

  /** A published slot that no other compressor has; `undefined` when there is none. */
  take(): number | undefined {
    for (;;) {
      const published = Atomics.load(this.#cells, publishedCell)
      const position = Atomics.load(this.#cells, takenCell)
      // The difference is right when the counters overflow, too.
      if (((published - position) | 0) <= 0) return undefined
      // Looked up before it is taken: a thread that sleeps in between, however long, finds that another
      // has it, instead of a place in the order that was used again meanwhile.
      const slot = this.#get(position & (this.slotCount - 1), orderWord)
      const before = Atomics.compareExchange(this.#cells, takenCell, position, position + 1)
      if (before === position) return slot
    }
  }

  /** A slot as it was published; a block comes with what stands before it. */
  published(slot: number): FilledSlot | LoadingSlot {
    const kind = kinds[this.#get(slot, kindWord)]!
    return kind === 'load' ? { kind, ...this.#pieces(slot) } : this.#filled(slot, kind)
  }

  #pieces(slot: number): FilePieces {
    return {
      file: this.#get(slot, fileWord),
      firstPiece: this.#get(slot, firstPieceWord),
      pieceCount: this.#get(slot, pieceCountWord),
      lastPieceBytes: this.#get(slot, sizeWord),
    }
  }

  #filled(slot: number, kind: BlockWork['kind']): FilledSlot {
    const sizeBytes = this.#get(slot, sizeWord)
    const wantedBytes = this.#get(slot, windowWord)
    const start = slot * slotBytes + windowBytes - wantedBytes
    return {
      windowAndBlock: Buffer.from(this.#slots, start, wantedBytes + sizeBytes),
      windowBytes: wantedBytes,
      kind,
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
    const sizeBytes = bytes.length
    for (const piece of pieces) free(piece)
    free(bytes)
    return sizeBytes
  }

  /** The result is how many bytes stand in the place of the block now, or its CRC; none if it failed. */
  finish(slot: number, result: number | undefined): void {
    if (result !== undefined) this.#set(slot, resultWord, result)
    this.#set(slot, stateWord, result === undefined ? failed : done)
    Atomics.notify(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord)
  }

  isDone(slot: number): boolean {
    return this.#get(slot, stateWord) !== filling
  }

  /** What was given to `finish`, once it was. */
  waitForResult(slot: number): number | undefined {
    while (!this.isDone(slot))
      Atomics.wait(this.#cells, firstSlotCell + slot * wordsPerSlot + stateWord, filling)
    return this.#get(slot, stateWord) === done ? this.#get(slot, resultWord) : undefined
  }

  #get(slot: number, word: number): number {
    return Atomics.load(this.#cells, firstSlotCell + slot * wordsPerSlot + word)
  }

  #set(slot: number, word: number, value: number): void {
    Atomics.store(this.#cells, firstSlotCell + slot * wordsPerSlot + word, value)
  }
}

/** What a compressor takes its work from: the memories of all coordinators, which share a bell. */
export class WorkQueue {
  readonly #bell: Int32Array
  readonly #memories: readonly RingMemory[]
  #turn = 0

  constructor(shared: readonly SharedMemory[]) {
    this.#bell = new Int32Array(shared[0]!.bell)
    this.#memories = shared.map((memory) => new RingMemory(memory))
  }

  /** Waits for a published slot that no other compressor has; never ends without one. */
  take(): { readonly memory: RingMemory; readonly slot: number } {
    for (;;) {
      // Before looking: what is published afterwards changes it, and there is nothing to wait for.
      const rung = Atomics.load(this.#bell, 0)
      for (let tried = 0; tried < this.#memories.length; tried += 1) {
        this.#turn = (this.#turn + 1) % this.#memories.length
        const memory = this.#memories[this.#turn]!
        const slot = memory.take()
        if (slot !== undefined) return { memory, slot }
      }
      Atomics.wait(this.#bell, 0, rung)
    }
  }
}

// Smaller memory may be the pool that Node cuts small buffers from, and does not matter.
const leastFreedBytes = 256 * 1024

/**
 * At once, instead of when garbage is collected: V8 counts such memory, and with some MiB for each block
 * collects every few blocks, which takes a tenth of the time that zstd does.
 */
function free({ buffer }: Uint8Array): void {
  // The block itself is shared.
  const isItsOwn = buffer instanceof ArrayBuffer && buffer.byteLength >= leastFreedBytes
  if (isItsOwn && !buffer.detached) buffer.transfer(0)
}
