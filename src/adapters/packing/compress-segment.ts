import { crc32 } from 'node:zlib'
import { combineCrc32 } from '#core/compression/combine-crc32.ts'
import type { Compression } from '#engine/ports/packer.ts'
import type { ArchiveDigest } from './archive-digest.ts'
import { ArchiveSink, type BlockTarget } from './archive-sink.ts'
import type { BlockRing, Deliver } from './block-ring.ts'
import { layerFormatOf, windowBytes } from './layer-format.ts'

/**
 * A part of an archive that is compressed without regard to what stands before it, so that its
 * compressed bytes are the same in every layer. Each store path is one.
 */
export interface Segment {
  /** Before compression. */
  readonly sizeBytes: number
  /** CRC-32 of the same bytes. */
  readonly crc: number
}

/** Writes the bytes of a segment. */
export type WriteSegment = (sink: ArchiveSink) => void

export interface SegmentReader {
  readonly ring: BlockRing
  /** Learns all bytes, where the archive has not had them yet. */
  readonly archive?: ArchiveDigest | undefined
  /** Throws when the segment is wanted no more. */
  readonly check: () => void
}

export interface SegmentCompressor extends SegmentReader {
  readonly compression: Compression
  readonly deliver: Deliver
}

/** Gives the blocks of a segment to the ring; the segment is known before its blocks are compressed. */
export function compressSegment(write: WriteSegment, compressor: SegmentCompressor): Segment {
  return sendSegment(write, new CompressingTarget(compressor))
}

/** Reads a segment without compressing it. */
export function measureSegment(write: WriteSegment, reader: SegmentReader): Segment {
  return sendSegment(write, new MeasuringTarget(reader))
}

interface SegmentTarget extends BlockTarget {
  /** What went through. */
  end(): Segment
  /** Gives back what is still held of the ring. */
  release(): void
}

function sendSegment(write: WriteSegment, target: SegmentTarget): Segment {
  try {
    const sink = new ArchiveSink(target)
    write(sink)
    sink.end()
    return target.end()
  } finally {
    target.release()
  }
}

class CompressingTarget implements SegmentTarget {
  readonly check: () => void
  readonly #compressor: SegmentCompressor
  #slot: number | undefined
  #segment: Segment = { sizeBytes: 0, crc: 0 }
  #window: Uint8Array = new Uint8Array(0)

  constructor(compressor: SegmentCompressor) {
    this.#compressor = compressor
    this.check = compressor.check
  }

  open(): Buffer {
    const { ring, compression } = this.#compressor
    this.#slot = ring.takeSlot()
    return ring.contents(this.#slot).subarray(0, layerFormatOf(compression.codec).blockBytes)
  }

  close(filledBytes: number): void {
    const { ring, compression, archive, deliver } = this.#compressor
    const slot = this.#slot!
    const block = ring.contents(slot).subarray(0, filledBytes)
    archive?.update(block)
    const { sizeBytes, crc } = this.#segment
    this.#segment = { sizeBytes: sizeBytes + filledBytes, crc: crc32(block, crc) }
    const window = this.#window
    // A copy: the compressed bytes will take the place of the block.
    if (layerFormatOf(compression.codec).hasWindow)
      this.#window = Buffer.from(block.subarray(-windowBytes))
    this.#slot = undefined
    ring.compress(slot, { ...compression, sizeBytes: filledBytes, window }, deliver)
  }

  end(): Segment {
    return this.#segment
  }

  release(): void {
    if (this.#slot !== undefined) this.#compressor.ring.giveBack(this.#slot)
  }
}

// Handing a block over takes a fraction of the time that its CRC takes.
const measuredBytes = 512 * 1024

// Slots that wait for their CRC; the ring has at least twice as many, so that one is left to fill.
const mostMeasured = 2

interface MeasuredBlock {
  readonly slot: number
  readonly sizeBytes: number
}

/** While compressors have nothing else to do, they compute the CRCs of large segments. */
class MeasuringTarget implements SegmentTarget {
  readonly check: () => void
  readonly #reader: SegmentReader
  #slot: number | undefined
  readonly #measured: MeasuredBlock[] = []
  #segment: Segment = { sizeBytes: 0, crc: 0 }

  constructor(reader: SegmentReader) {
    this.#reader = reader
    this.check = reader.check
  }

  open(): Buffer {
    const { ring } = this.#reader
    this.#slot = ring.takeSlot()
    return ring.contents(this.#slot).subarray(0, measuredBytes)
  }

  close(filledBytes: number): void {
    const { ring, archive } = this.#reader
    const slot = this.#slot!
    this.#slot = undefined
    const block = ring.contents(slot).subarray(0, filledBytes)
    const isHandedOver = filledBytes === measuredBytes && ring.isIdle
    if (isHandedOver) {
      ring.measure(slot, filledBytes)
      this.#measured.push({ slot, sizeBytes: filledBytes })
    }
    archive?.update(block)
    this.#takeCrcs(isHandedOver ? mostMeasured - 1 : 0)
    if (isHandedOver) return
    this.#add(crc32(block), filledBytes)
    ring.giveBack(slot)
  }

  end(): Segment {
    this.#takeCrcs(0)
    return this.#segment
  }

  release(): void {
    const { ring } = this.#reader
    if (this.#slot !== undefined) ring.giveBack(this.#slot)
    for (const { slot } of this.#measured.splice(0)) ring.takeCrc(slot)
  }

  /** In order, until so many are left. */
  #takeCrcs(leftCount: number): void {
    while (this.#measured.length > leftCount) {
      const { slot, sizeBytes } = this.#measured.shift()!
      this.#add(this.#reader.ring.takeCrc(slot), sizeBytes)
    }
  }

  #add(crc: number, sizeBytes: number): void {
    const before = this.#segment
    this.#segment = {
      sizeBytes: before.sizeBytes + sizeBytes,
      crc: combineCrc32(before.crc, crc, sizeBytes),
    }
  }
}
