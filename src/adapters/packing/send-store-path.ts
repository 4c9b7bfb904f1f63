import { crc32 } from 'node:zlib'
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
  const seen = measureSegment(write, tools)
  if (areEqual(kept.segment, seen) && joinSegment(kept, ring, deliver)) return seen
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
 * Gives a kept segment to the ring. False, and nothing given, when its bytes are not what they were:
 * one that fits into a slot is compared before it is given, a larger one is read twice.
 */
function joinSegment(kept: KeptSegment, ring: BlockRing, deliver: Deliver): boolean {
  const pieces = piecesOf(kept.compressed.sizeBytes, ring.slotBytes)
  if (pieces.length > 1 && !isWhole(kept, pieces, ring)) return false
  let crc = 0
  for (const [index, { position, sizeBytes }] of pieces.entries()) {
    const slot = ring.takeSlot()
    const bytes = ring.contents(slot).subarray(0, sizeBytes)
    const isRead = kept.read(bytes, position)
    crc = crc32(bytes, crc)
    const isRight = isRead && (index < pieces.length - 1 || crc === kept.compressed.crc)
    if (isRight) {
      ring.pass(slot, sizeBytes, deliver)
      continue
    }
    ring.giveBack(slot)
    kept.remove()
    if (index === 0) return false
    throw new UnpackableError(
      'a segment was damaged while it was joined; the next build makes it again',
    )
  }
  return true
}

function isWhole(kept: KeptSegment, pieces: readonly Piece[], ring: BlockRing): boolean {
  const slot = ring.takeSlot()
  let crc = 0
  const isRead = pieces.every(({ position, sizeBytes }) => {
    const bytes = ring.contents(slot).subarray(0, sizeBytes)
    const isRead = kept.read(bytes, position)
    crc = crc32(bytes, crc)
    return isRead
  })
  ring.giveBack(slot)
  return isRead && crc === kept.compressed.crc
}

interface Piece {
  readonly position: number
  readonly sizeBytes: number
}

function piecesOf(sizeBytes: number, mostBytes: number): Piece[] {
  return Array.from({ length: Math.ceil(sizeBytes / mostBytes) }, (_, index) => {
    const position = index * mostBytes
    return { position, sizeBytes: Math.min(mostBytes, sizeBytes - position) }
  })
}
