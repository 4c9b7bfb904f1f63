import { createHash } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  futimesSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Outage } from '#adapters/filesystem/outage.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import type { Compression } from '#engine/ports/packer.ts'
import type { Segment } from './compress-segment.ts'

// Raise this when the compressed bytes of an equal store path change.
const segmentFormat = 1

// A file whose time is no older counts as used now: a hot one is not renewed with every read.
const renewalMs = 60 * 1000

/** Where segments are; whoever shares them with other threads tells what may be written. */
export interface SegmentShare {
  /** Files of whole segments. */
  readonly keptDirectory: string
  /** How the paths of files begin that this thread, and no other, is writing. */
  readonly unfinishedPrefix: string
  /** One cell: what compresses to more KiB is not kept; 0 while there is no room for new files. */
  readonly room: Int32Array
}

/**
 * Compressed segments of store paths on disk, for one thread: all calls are synchronous. What cannot
 * be read is not there, and what cannot be written is not kept; no method throws. The bytes of a file
 * are not to be trusted before their CRC was compared.
 */
export class SegmentCache {
  readonly #share: SegmentShare
  readonly #onKept: (sizeBytes: number) => void
  readonly #nowMs: () => number
  readonly #reading: Outage
  readonly #writing: Outage
  readonly #underWay = new Set<string>()
  #copies = 0

  /** `onKept` learns the size of each new file. */
  constructor(share: SegmentShare, onKept: (sizeBytes: number) => void, nowMs = Date.now) {
    this.#share = share
    this.#onKept = onKept
    this.#nowMs = nowMs
    this.#reading = new Outage(`segments are not read from ${share.keptDirectory}`, nowMs)
    this.#writing = new Outage(`segments are not kept in ${share.keptDirectory}`, nowMs)
  }

  /** What a segment is called; another compressor, or another build of it, makes other bytes. */
  nameOf(path: StorePath, { codec, level }: Compression): string {
    const build = codec === 'gzip' ? process.versions.zlib : process.versions['zstd']
    const parts = [segmentFormat, path, codec, level, build, process.arch]
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  }

  /** True between `begin` and the end of the copy. */
  isUnderWay(name: string): boolean {
    return this.#underWay.has(name)
  }

  /** A segment that seems whole; the caller disposes of it. */
  find(name: string): KeptSegment | undefined {
    if (this.#reading.isOn) return undefined
    const path = join(this.#share.keptDirectory, name)
    let file: number | undefined
    try {
      file = openSync(path, 'r')
      const { size, mtimeMs } = fstatSync(file)
      if (this.#nowMs() - mtimeMs > renewalMs) this.#renew(file)
      const found = readFooter(file, size)
      this.#reading.end()
      if (found !== undefined) return new KeptSegment(path, file, found)
      rmSync(path, { force: true })
    } catch (error) {
      if (!isMissing(error)) this.#reading.begin(error)
    }
    if (file !== undefined) closeSync(file)
    return undefined
  }

  /** False while new segments would not be kept. */
  get hasRoom(): boolean {
    return this.#mostSegmentBytes > 0 && !this.#writing.isOn
  }

  get #mostSegmentBytes(): number {
    return Atomics.load(this.#share.room, 0) * 1024
  }

  /** Begins to keep a segment; `undefined` when there is no room or the disk fails. */
  begin(name: string): SegmentCopy | undefined {
    if (!this.hasRoom || this.isUnderWay(name)) return undefined
    this.#underWay.add(name)
    this.#copies += 1
    return new SegmentCopy(
      `${this.#share.unfinishedPrefix}-${this.#copies}`,
      join(this.#share.keptDirectory, name),
      {
        mostBytes: this.#mostSegmentBytes,
        onFailure: this.#writing.begin,
        onEnd: (sizeBytes) => {
          this.#underWay.delete(name)
          if (sizeBytes === undefined) return
          this.#writing.end()
          this.#onKept(sizeBytes)
        },
      },
    )
  }

  #renew(file: number): void {
    const now = this.#nowMs() / 1000
    try {
      futimesSync(file, now, now)
    } catch (error) {
      this.#writing.begin(error)
    }
  }
}

/** What stands in the footer of a file, after the compressed bytes. */
interface SegmentFacts {
  readonly segment: Segment
  readonly compressed: Segment
}

const magic = Buffer.from('nixery segment 1')
const footerBytes = magic.length + 28

function formatFooter({ segment, compressed }: SegmentFacts): Buffer {
  const footer = Buffer.alloc(footerBytes)
  magic.copy(footer)
  footer.writeDoubleLE(segment.sizeBytes, magic.length)
  footer.writeUInt32LE(segment.crc, magic.length + 8)
  footer.writeDoubleLE(compressed.sizeBytes, magic.length + 12)
  footer.writeUInt32LE(compressed.crc, magic.length + 20)
  footer.writeUInt32LE(crc32(footer.subarray(0, magic.length + 24)), magic.length + 24)
  return footer
}

function readFooter(file: number, fileBytes: number): SegmentFacts | undefined {
  const footer = Buffer.alloc(footerBytes)
  if (fileBytes < footerBytes) return undefined
  if (readSync(file, footer, 0, footerBytes, fileBytes - footerBytes) !== footerBytes)
    return undefined
  const facts = {
    segment: {
      sizeBytes: footer.readDoubleLE(magic.length),
      crc: footer.readUInt32LE(magic.length + 8),
    },
    compressed: {
      sizeBytes: footer.readDoubleLE(magic.length + 12),
      crc: footer.readUInt32LE(magic.length + 20),
    },
  }
  const isWhole = facts.compressed.sizeBytes === fileBytes - footerBytes
  return isWhole && footer.equals(formatFooter(facts)) ? facts : undefined
}

/** An open file of a segment. */
export class KeptSegment {
  readonly #path: string
  /** Its descriptor. */
  readonly file: number
  /** Before compression. */
  readonly segment: Segment
  /** As the file should have it. */
  readonly compressed: Segment

  constructor(path: string, file: number, { segment, compressed }: SegmentFacts) {
    this.#path = path
    this.file = file
    this.segment = segment
    this.compressed = compressed
  }

  [Symbol.dispose](): void {
    closeSync(this.file)
  }

  /** Removes a file that is not right; it stays open. */
  remove(): void {
    try {
      rmSync(this.#path, { force: true })
    } catch {
      // It stays, is read in vain and never used; its directory is one that nothing is written to.
    }
  }
}

interface CopyTools {
  readonly mostBytes: number
  readonly onFailure: (error: unknown) => void
  /** With the size of the file when it was kept. */
  readonly onEnd: (sizeBytes: number | undefined) => void
}

/** A segment that is written while its layer is made. Ends with `keep` or `discard`. */
export class SegmentCopy {
  readonly #unfinishedPath: string
  readonly #path: string
  readonly #tools: CopyTools
  #file: number | undefined
  #compressed: Segment = { sizeBytes: 0, crc: 0 }
  #isOver = false

  constructor(unfinishedPath: string, path: string, tools: CopyTools) {
    this.#unfinishedPath = unfinishedPath
    this.#path = path
    this.#tools = tools
  }

  write(bytes: Uint8Array): void {
    this.#do(() => {
      const sizeBytes = this.#compressed.sizeBytes + bytes.length
      if (sizeBytes > this.#tools.mostBytes) return this.#end(undefined)
      this.#compressed = { sizeBytes, crc: crc32(bytes, this.#compressed.crc) }
      this.#file ??= openSync(this.#unfinishedPath, 'wx', 0o600)
      writeAll(this.#file, bytes)
    })
  }

  /** All is written: gives the file its name. Not synced: what a power cut takes, its CRC tells. */
  keep(segment: Segment): void {
    this.#do(() => {
      if (this.#file === undefined) return this.#end(undefined)
      writeAll(this.#file, formatFooter({ segment, compressed: this.#compressed }))
      renameSync(this.#unfinishedPath, this.#path)
      this.#end(this.#compressed.sizeBytes + footerBytes)
    })
  }

  discard(): void {
    this.#do(() => this.#end(undefined))
  }

  #do(step: () => void): void {
    if (this.#isOver) return
    try {
      step()
    } catch (error) {
      this.#tools.onFailure(error)
      this.#end(undefined)
    }
  }

  #end(keptBytes: number | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#tools.onEnd(keptBytes)
    try {
      if (this.#file !== undefined) closeSync(this.#file)
      if (keptBytes === undefined) rmSync(this.#unfinishedPath, { force: true })
    } catch (error) {
      this.#tools.onFailure(error)
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length;) start += writeSync(file, bytes, start)
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
