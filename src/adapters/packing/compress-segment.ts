import type { Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Compression } from '#engine/ports/packer.ts'
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
  /** Learns all bytes, where the archive has not had them yet. */
  readonly archive?: Hash | undefined
  /** Throws when the segment is wanted no more. */
  readonly check: () => void
}

export interface SegmentCompressor extends SegmentReader {
  readonly ring: BlockRing
  readonly compression: Compression
  readonly deliver: Deliver
}

/** Gives the blocks of a segment to the ring; the segment is known before its blocks are compressed. */
export function compressSegment(write: WriteSegment, compressor: SegmentCompressor): Segment {
  const target = new RingTarget(compressor)
  try {
    return sendSegment(write, target)
  } finally {
    target.giveBack()
  }
}

/** Reads a segment without compressing it. */
export function measureSegment(write: WriteSegment, reader: SegmentReader): Segment {
  return sendSegment(write, new MeasuringTarget(reader))
}

interface SegmentTarget extends BlockTarget {
  readonly segment: Segment
}

function sendSegment(write: WriteSegment, target: SegmentTarget): Segment {
  const sink = new ArchiveSink(target)
  write(sink)
  sink.end()
  return target.segment
}

class MeasuringTarget implements SegmentTarget {
  readonly check: () => void
  readonly #archive: Hash | undefined
  #segment: Segment = { sizeBytes: 0, crc: 0 }

  constructor({ archive, check }: SegmentReader) {
    this.#archive = archive
    this.check = check
  }

  get segment(): Segment {
    return this.#segment
  }

  open(): Buffer {
    return scratch
  }

  close(filledBytes: number): void {
    this.measure(scratch.subarray(0, filledBytes))
  }

  protected measure(block: Buffer): void {
    this.#archive?.update(block)
    const { sizeBytes, crc } = this.#segment
    this.#segment = { sizeBytes: sizeBytes + block.length, crc: crc32(block, crc) }
  }
}

// For bytes that are read and not kept. Its size decides nothing.
const scratch = Buffer.alloc(256 * 1024)

class RingTarget extends MeasuringTarget {
  readonly #compressor: SegmentCompressor
  #slot: number | undefined
  #window: Uint8Array = new Uint8Array(0)

  constructor(compressor: SegmentCompressor) {
    super(compressor)
    this.#compressor = compressor
  }

  override open(): Buffer {
    const { ring, compression } = this.#compressor
    this.#slot = ring.takeSlot()
    return ring.contents(this.#slot).subarray(0, layerFormatOf(compression.codec).blockBytes)
  }

  override close(filledBytes: number): void {
    const { ring, compression, deliver } = this.#compressor
    const slot = this.#slot!
    this.#slot = undefined
    const block = ring.contents(slot).subarray(0, filledBytes)
    this.measure(block)
    const window = this.#window
    // A copy: the compressed bytes will take the place of the block.
    if (layerFormatOf(compression.codec).hasWindow)
      this.#window = Buffer.from(block.subarray(-windowBytes))
    ring.compress(slot, { ...compression, sizeBytes: filledBytes, window }, deliver)
  }

  giveBack(): void {
    if (this.#slot !== undefined) this.#compressor.ring.giveBack(this.#slot)
  }
}
