import type { Compression } from '#engine/ports/packer.ts'
import { loadPieces, type FilePieces } from './load-pieces.ts'
import type { RingMemory } from './ring-memory.ts'

// Waking another thread takes as long as reading that much.
const leastLoadedBytes = 64 * 1024

/** What is done with the bytes of a block when its turn comes. They are the ring's own: not to be kept. */
export type Deliver = (bytes: Buffer) => void

interface PendingBlock {
  readonly slot: number
  readonly deliver: Deliver
}

/** A step that takes its turn among the blocks. */
type Pending = PendingBlock | (() => void)

/** What is known of a filled block, besides its bytes. */
export interface FilledBlock extends Compression {
  readonly sizeBytes: number
  /** What stands before it in its segment, as far as it may refer to it. */
  readonly window: Uint8Array
}

/**
 * The coordinator's side of the ring: hands blocks out to be filled, lets compressors have them and
 * delivers what they make of them, in the order in which they were filled. Whoever wants a slot while
 * all are under way delivers the oldest first, so the slots bound what is under way.
 */
export class BlockRing {
  readonly #memory: RingMemory
  readonly #free: number[]
  readonly #pending: Pending[] = []
  #compressing = 0

  constructor(memory: RingMemory) {
    this.#memory = memory
    this.#free = Array.from({ length: memory.slotCount }, (_, slot) => slot)
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0
  }

  /** A slot to be filled; it goes back by `compress`, `pass`, `measure` or `giveBack`. */
  takeSlot(): number {
    this.#deliverDone()
    while (this.#free.length === 0) this.deliverOne()
    return this.#free.pop()!
  }

  giveBack(slot: number): void {
    this.#free.push(slot)
  }

  /** Of a slot: as much as can be passed at once. */
  get slotBytes(): number {
    return this.#memory.contentsBytes
  }

  contents(slot: number): Buffer {
    return this.#memory.contents(slot)
  }

  compress(slot: number, { codec, level, sizeBytes, window }: FilledBlock, deliver: Deliver): void {
    const before = this.#memory.window(slot)
    before.set(window, before.length - window.length)
    this.#memory.publish(slot, { kind: codec, level, sizeBytes, windowBytes: window.length })
    this.#compressing += 1
    this.#pending.push({
      slot,
      deliver: (bytes) => {
        this.#compressing -= 1
        deliver(bytes)
      },
    })
  }

  /** True while compressors have nothing to do. */
  get isIdle(): boolean {
    return this.#compressing === 0
  }

  /** Has the CRC-32 of the first bytes of a slot computed; `takeCrc` gives it, out of turn. */
  measure(slot: number, sizeBytes: number): void {
    this.#memory.publish(slot, { kind: 'crc', level: 0, sizeBytes, windowBytes: 0 })
  }

  /** Waits for the CRC-32 of a slot and gives the slot back. */
  takeCrc(slot: number): number {
    const crc = this.#memory.waitForResult(slot)! >>> 0
    this.giveBack(slot)
    return crc
  }

  /**
   * Has a slot filled from a file, by a compressor that has nothing to do; `waitForLoad` tells when. The
   * slot keeps the last piece.
   */
  load(slot: number, pieces: FilePieces): void {
    const isLarge = pieces.pieceCount > 1 || pieces.lastPieceBytes >= leastLoadedBytes
    if (isLarge && this.isIdle) this.#memory.publishLoad(slot, pieces)
    else this.#memory.finish(slot, loadPieces(pieces, this.contents(slot)))
  }

  /** The CRC-32 of what was read; `undefined` when it cannot be read. */
  waitForLoad(slot: number): number | undefined {
    const crc = this.#memory.waitForResult(slot)
    return crc === undefined ? undefined : crc >>> 0
  }

  /** Delivers the first bytes of a slot as they are, when their turn comes. */
  pass(slot: number, sizeBytes: number, deliver: Deliver): void {
    this.#memory.finish(slot, sizeBytes)
    this.#pending.push({ slot, deliver })
  }

  /** Does something when all that was given before is delivered. */
  afterwards(step: () => void): void {
    this.#pending.push(step)
  }

  /** Waits for the oldest block and delivers it. There must be one. */
  deliverOne(): void {
    const next = this.#pending.shift()!
    if (typeof next === 'function') return next()
    const sizeBytes = this.#memory.waitForResult(next.slot)!
    next.deliver(this.contents(next.slot).subarray(0, sizeBytes))
    this.#free.push(next.slot)
  }

  #deliverDone(): void {
    for (;;) {
      const [next] = this.#pending
      if (next === undefined) return
      if (typeof next !== 'function' && !this.#memory.isDone(next.slot)) return
      this.deliverOne()
    }
  }
}
