import { combineCrc32 } from '#core/compression/combine-crc32.ts'
import type { MeasuredPath } from '#engine/ports/packer.ts'
import type { BlockRing, Deliver } from './block-ring.ts'
import {
  compressSegment,
  measureSegment,
  type Segment,
  type SegmentCompressor,
  type WriteSegment,
} from './compress-segment.ts'
import { readMeasuredPath } from './read-measured-path.ts'
import { UnpackableError } from './read-store-path.ts'
import type { KeptSegment, SegmentCache } from './segment-cache.ts'

export interface StorePathTools extends SegmentCompressor {
  readonly storeDirectory: string
  /** Absent when segments are not kept. */
  readonly segments: SegmentCache | undefined
}

/**
 * Gives the segment of a store path to the ring: the kept one, or else a compressed one, which is kept
 * then. The files are read in either case: the archive is hashed again for every layer, and a kept
 * segment counts only when it holds just these bytes, since a path may have been built again.
 */
export function sendStorePath(measured: MeasuredPath, tools: StorePathTools): Segment {
  const { ring, segments, storeDirectory, deliver } = tools
  const write: WriteSegment = (sink) => readMeasuredPath(measured, storeDirectory, sink)
  if (segments === undefined) return compressSegment(write, tools)
  const name = segments.nameOf(measured.path, tools.compression)
  waitForCopy(name, segments, ring)
  using kept = segments.find(name)
  if (kept === undefined) return compressAndKeep(name, write, tools)
  using check = new SegmentCheck(kept, ring)
  const seen = measureSegment(write, tools)
  if (areEqual(kept.segment, seen) && check.join(deliver)) return seen
  kept.remove()
  const read = compressAndKeep(name, write, { ...tools, archive: undefined })
  if (!areEqual(read, seen)) throw new UnpackableError(`${measured.path} changes while it is read`)
  return seen
}

/** Sees to it that there is a segment of a store path, for layers to come. */
export function prepareStorePath(
  measured: MeasuredPath,
  tools: Omit<StorePathTools, 'archive' | 'deliver'>,
): void {
  const { ring, segments, storeDirectory } = tools
  if (segments === undefined) return
  const name = segments.nameOf(measured.path, tools.compression)
  waitForCopy(name, segments, ring)
  using kept = segments.find(name)
  if (kept !== undefined || !segments.hasRoom) return
  const write: WriteSegment = (sink) => readMeasuredPath(measured, storeDirectory, sink)
  compressAndKeep(name, write, { ...tools, segments, deliver: () => {} })
}

/** The same path in two layers is compressed once. */
function waitForCopy(name: string, segments: SegmentCache, ring: BlockRing): void {
  while (segments.isUnderWay(name)) ring.deliverOne()
}

function compressAndKeep(name: string, write: WriteSegment, tools: StorePathTools): Segment {
  const { ring, segments, deliver } = tools
  const copy = segments?.begin(name)
  if (copy === undefined) return compressSegment(write, tools)
  try {
    const segment = compressSegment(write, {
      ...tools,
      deliver(bytes) {
        copy.write(bytes)
        deliver(bytes)
      },
    })
    ring.afterwards(() => copy.keep(segment))
    return segment
  } catch (error) {
    copy.discard()
    throw error
  }
}

function areEqual(one: Segment, other: Segment): boolean {
  return one.sizeBytes === other.sizeBytes && one.crc === other.crc
}

/**
 * A kept segment that is read, by idle compressors while the files of its store path are. One that fits
 * into a slot is compared before it is given to the ring, a larger one is read twice.
 */
class SegmentCheck {
  readonly #kept: KeptSegment
  readonly #ring: BlockRing
  readonly #pieceCount: number
  #slot: number | undefined

  constructor(kept: KeptSegment, ring: BlockRing) {
    this.#kept = kept
    this.#ring = ring
    this.#pieceCount = Math.ceil(kept.compressed.sizeBytes / ring.slotBytes)
    this.#slot = ring.takeSlot()
    this.#load(this.#slot, 0, this.#pieceCount)
  }

  /** Gives the segment to the ring. False, and nothing given, when its bytes are not what they were. */
  join(deliver: Deliver): boolean {
    const ring = this.#ring
    const { sizeBytes, crc } = this.#kept.compressed
    if (ring.waitForLoad(this.#slot!) !== crc) return false
    if (this.#pieceCount <= 1) {
      ring.pass(this.#slot!, sizeBytes, deliver)
      this.#slot = undefined
    } else this.#joinPieces(deliver)
    return true
  }

  /** Waits for reads under way: the file may be closed and the slot used then. */
  [Symbol.dispose](): void {
    if (this.#slot === undefined) return
    this.#ring.waitForLoad(this.#slot)
    this.#ring.giveBack(this.#slot)
    this.#slot = undefined
  }

  /** The next piece is read while one is given. */
  #joinPieces(deliver: Deliver): void {
    let crc = 0
    for (let index = 0; index < this.#pieceCount; index += 1) {
      const slot = index === 0 ? this.#reload() : this.#slot!
      const pieceCrc = this.#ring.waitForLoad(slot)
      const isLast = index === this.#pieceCount - 1
      const sizeBytes = this.#pieceBytes(index)
      if (pieceCrc !== undefined) crc = combineCrc32(crc, pieceCrc, sizeBytes)
      if (pieceCrc === undefined || (isLast && crc !== this.#kept.compressed.crc)) this.#fail()
      this.#slot = undefined
      if (!isLast) {
        this.#slot = this.#ring.takeSlot()
        this.#load(this.#slot, index + 1, 1)
      }
      this.#ring.pass(slot, sizeBytes, deliver)
    }
  }

  #reload(): number {
    this.#load(this.#slot!, 0, 1)
    return this.#slot!
  }

  #load(slot: number, firstPiece: number, pieceCount: number): void {
    const lastPieceBytes = this.#pieceBytes(firstPiece + pieceCount - 1)
    this.#ring.load(slot, { file: this.#kept.file, firstPiece, pieceCount, lastPieceBytes })
  }

  #pieceBytes(index: number): number {
    const { slotBytes } = this.#ring
    return Math.min(slotBytes, this.#kept.compressed.sizeBytes - index * slotBytes)
  }

  #fail(): never {
    this.#kept.remove()
    throw new UnpackableError(
      'a segment was damaged while it was joined; the next build makes it again',
    )
  }
}
