import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'

/** A part of a file, cut into pieces of equal size; only the last may be smaller. */
export interface FilePieces {
  /** A descriptor, which is the same in all threads. */
  readonly file: number
  /** Counts from the begin of the file. */
  readonly firstPiece: number
  readonly pieceCount: number
  readonly lastPieceBytes: number
}

/** Reads pieces into the same memory, one after the other; their CRC-32, or `undefined` if a read fails. */
export function loadPieces(
  { file, firstPiece, pieceCount, lastPieceBytes }: FilePieces,
  piece: Buffer,
): number | undefined {
  let crc = 0
  for (let index = 0; index < pieceCount; index += 1) {
    const bytes = index < pieceCount - 1 ? piece : piece.subarray(0, lastPieceBytes)
    if (!isFilled(bytes, file, (firstPiece + index) * piece.length)) return undefined
    crc = crc32(bytes, crc)
  }
  return crc
}

function isFilled(bytes: Buffer, file: number, position: number): boolean {
  try {
    return readSync(file, bytes, 0, bytes.length, position) === bytes.length
  } catch {
    return false
  }
}
