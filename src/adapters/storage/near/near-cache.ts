import type { FileHandle } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { Digest } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { StorageUpkeep } from '#engine/ports/storage-upkeep.ts'
import { measuredStream, through, verifiedStream } from '../checked/verified-stream.ts'
import type { NearCopy } from './near-copy.ts'
import { openNearFiles, type NearFiles, type NearFilesOptions } from './near-files.ts'
import { RememberedStats } from './remembered-stats.ts'

/** The parts of a storage that know of blobs. */
interface BlobSide {
  readonly blobs: BlobStore
  readonly upkeep: StorageUpkeep
}

export interface NearCache extends BlobSide {
  /** Ends copies in progress; the far side stays open. */
  close(): Promise<void>
}

// Read into memory and checked before a byte of it is sent, so that the far side can still answer.
const mostMemoryBytes = 1024 * 1024

// Each read is a buffer of its own.
const readBytes = 256 * 1024

// Per blob that is being copied: evens out a disk that is slow for a moment.
const mostUnwrittenBytes = 4 * 1024 * 1024

/**
 * Blobs of a bucket with copies of what was read last on local disk. Bytes come from there; whether a
 * blob is there at all says the far side, at most a minute ago, because a manifest is served only
 * while its blobs are. A blob whose use was recorded is asked for anew, so that what a collector has
 * removed meanwhile is not relied on; hence the upkeep.
 *
 * `far` must end a stream over a whole blob only when its bytes are right, as `checkBlobs` does: what
 * ended is kept.
 */
export async function nearCache(far: BlobSide, options: NearFilesOptions): Promise<NearCache> {
  const files = await openNearFiles(options)
  const stats = new RememberedStats(options.nowMs ?? Date.now)
  return {
    blobs: new NearBlobs(far.blobs, files, stats),
    upkeep: {
      ...far.upkeep,
      async recordUse(digest, signal) {
        await far.upkeep.recordUse(digest, signal)
        stats.doubt(digest)
      },
      async removeBlob(digest, signal) {
        await far.upkeep.removeBlob(digest, signal).finally(() => stats.forget(digest))
        await files.drop(digest)
      },
      async quarantineBlob(digest, signal) {
        const isMoved = far.upkeep.quarantineBlob(digest, signal)
        return isMoved.finally(() => stats.forget(digest))
      },
    },
    close: () => files.close(),
  }
}

class NearBlobs implements BlobStore {
  readonly #far: BlobStore
  readonly #files: NearFiles
  readonly #stats: RememberedStats

  constructor(far: BlobStore, files: NearFiles, stats: RememberedStats) {
    this.#far = far
    this.#files = files
    this.#stats = stats
  }

  stat(digest: Digest, signal: AbortSignal) {
    return this.#stats.get(digest, () => this.#far.stat(digest, signal))
  }

  async open(digest: Digest, range: ByteRange | undefined, signal: AbortSignal) {
    const stat = await this.stat(digest, signal)
    if (stat === undefined) return undefined
    const whole = { start: 0, end: stat.sizeBytes - 1 }
    const part = range?.start === 0 && range.end === whole.end ? undefined : range
    const near =
      stat.sizeBytes <= mostMemoryBytes
        ? await this.#openSmall(digest, part ?? whole, stat.sizeBytes)
        : await this.#openLarge(digest, part, stat.sizeBytes, signal)
    return near ?? this.#openFar(digest, part, stat.sizeBytes, signal)
  }

  async readDocument(digest: Digest, signal: AbortSignal) {
    const near = await this.#files.read(digest, maxDocumentBytes)
    const stat = near && (await this.stat(digest, signal))
    // Of another size, the far one is damaged, and is noticed when it is read.
    if (near !== undefined && stat?.sizeBytes === near.length) return near
    if (near !== undefined && stat === undefined) {
      await this.#files.drop(digest)
      return undefined
    }
    const document = await this.#far.readDocument(digest, signal)
    if (document === undefined) this.#stats.forget(digest)
    else this.#keep(digest, document)
    return document
  }

  async upload(mediaType: string, signal: AbortSignal) {
    const upload = await this.#far.upload(mediaType, signal)
    return {
      write: (chunk: Uint8Array) => upload.write(chunk),
      // What was there before may have had another size.
      publish: (digest: Digest) => upload.publish(digest).finally(() => this.#stats.forget(digest)),
      discard: () => upload.discard(),
    }
  }

  async #openSmall(digest: Digest, { start, end }: ByteRange, sizeBytes: number) {
    const bytes = await this.#files.read(digest, mostMemoryBytes)
    if (bytes?.length !== sizeBytes) return undefined
    return Readable.from([bytes.subarray(start, end + 1)], { objectMode: false })
  }

  async #openLarge(
    digest: Digest,
    range: ByteRange | undefined,
    sizeBytes: number,
    signal: AbortSignal,
  ) {
    const file = await this.#files.find(digest, sizeBytes)
    if (file === undefined) return undefined
    const bytes = this.#readNear(digest, file, range ?? { start: 0, end: sizeBytes - 1 }, signal)
    if (range !== undefined)
      return measuredStream(bytes, `a part of ${digest}`, range.end - range.start + 1)
    return verifiedStream(bytes, async (read) => {
      if (read.digest === digest) return
      await this.#files.drop(digest)
      throw new OperatingError(
        'STORAGE_FAILED',
        `the near copy of ${digest} was damaged and is dropped; the next read finds the far one`,
      )
    })
  }

  /** The bytes of a near file; when the disk fails on the way, the rest of the far blob. */
  async *#readNear(
    digest: Digest,
    file: FileHandle,
    { start, end }: ByteRange,
    signal: AbortSignal,
  ) {
    let at = start
    try {
      for await (const chunk of file.createReadStream({ start, end, highWaterMark: readBytes })) {
        yield chunk as Uint8Array
        at += (chunk as Uint8Array).length
      }
    } catch (error) {
      this.#files.failed(error)
    }
    if (at > end) return
    const rest = await this.#far.open(digest, { start: at, end }, signal)
    if (rest === undefined) throw missing(digest)
    yield* rest as AsyncIterable<Uint8Array>
  }

  async #openFar(
    digest: Digest,
    range: ByteRange | undefined,
    sizeBytes: number,
    signal: AbortSignal,
  ) {
    const source = await this.#far.open(digest, range, signal)
    if (source === undefined) {
      this.#stats.forget(digest)
      return undefined
    }
    // It may have been damaged, and be gone now.
    source.once('error', () => this.#stats.forget(digest))
    const copy = range === undefined ? this.#files.begin(digest, sizeBytes) : undefined
    return copy === undefined ? source : copiedStream(source, copy)
  }

  /** In the background: nobody waits for a copy. */
  #keep(digest: Digest, document: Uint8Array): void {
    const copy = this.#files.begin(digest, document.length)
    void copy?.write(document)
    void copy?.keep()
  }
}

/** The bytes of `source`, which are kept when it ends; the reader is a few MiB ahead of the disk. */
function copiedStream(source: Readable, copy: NearCopy): Readable {
  let unwrittenBytes = 0
  const write = async ({ length }: Uint8Array, written: Promise<void>) => {
    unwrittenBytes += length
    await written
    unwrittenBytes -= length
  }
  return through(
    source,
    new Transform({
      async transform(chunk: Uint8Array, _encoding, done) {
        const written = write(chunk, copy.write(chunk))
        if (unwrittenBytes > mostUnwrittenBytes) await written
        done(null, chunk)
      },
      flush(done) {
        void copy.keep()
        done()
      },
      destroy(error, done) {
        // Nothing, when it is being kept.
        void copy.discard()
        done(error)
      },
    }),
  )
}

function missing(digest: Digest): OperatingError {
  return new OperatingError('STORAGE_FAILED', `${digest} is gone from the storage`)
}
