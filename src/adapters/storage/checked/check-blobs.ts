import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { ByteRange } from '#core/oci/byte-range.ts'
import { digestFromHash, type Digest } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { maxDocumentBytes, type BlobStore } from '#engine/ports/blob-store.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { SoundFiles, type SoundFilesOptions } from './sound-files.ts'
import { measuredStream, verifiedStream } from './verified-stream.ts'

// Reading a blob of 10 GB once more from a slow bucket. No client is waited for: it may be gone.
const judgementTimeoutMs = 10 * 60 * 1000

/** What a second look at a blob says that did not arrive as its name says. */
type Verdict = 'damaged' | 'sound' | 'missing'

/**
 * Blobs whose bytes are compared with their names whenever they are read whole; of parts the length
 * is. A damaged blob is moved out of the way before its reader fails, so whoever pulls again finds
 * it missing, and it is made again.
 *
 * It is judged by a second read. What the network damaged or cut, or what somebody has replaced
 * meanwhile, is sound in the storage and must stay there.
 *
 * Where blobs are files of this machine, one that was right is remembered, and not compared again for a
 * while as long as nobody touches it.
 */
export function checkBlobs(
  { blobs, upkeep }: Pick<Storage, 'blobs' | 'upkeep'>,
  observer: StorageObserver,
  time: SoundFilesOptions = { clock: systemClock, nowMs: () => performance.now() },
): BlobStore {
  const sound = blobs.openFile && new SoundFiles(blobs.openFile, time)
  const judgements = new SharedWork<Verdict>()
  const judge = (digest: Digest) =>
    judgements.run(
      digest,
      async (signal) => {
        const stored = await readDigest(blobs, digest, signal)
        if (stored === undefined) return 'missing'
        if (stored.digest === digest) return 'sound'
        await quarantine(digest, stored.sizeBytes, signal)
        return 'damaged'
      },
      AbortSignal.timeout(judgementTimeoutMs),
    )

  /** A blob that cannot be moved is found again by its next reader; this one has its answer. */
  async function quarantine(digest: Digest, sizeBytes: number, signal: AbortSignal): Promise<void> {
    try {
      const isMoved = await upkeep.quarantineBlob(digest, signal)
      if (isMoved) observer.observe({ kind: 'blob-quarantined', digest, sizeBytes })
    } catch (error) {
      process.emitWarning(`cannot quarantine ${digest}, which is damaged: ${String(error)}`)
    }
  }

  return {
    stat: (digest, signal) => blobs.stat(digest, signal),

    async open(digest, range, signal) {
      const isWhole = range === undefined || (await coversAll(blobs, digest, range, signal))
      const identity = isWhole ? await sound?.identify(digest, signal) : undefined
      const source = await blobs.open(digest, range, signal)
      if (source === undefined) return undefined
      if (!isWhole) return measuredStream(source, `a part of ${digest}`, lengthOf(range))
      return verifiedStream(source, async (read) => {
        if (read.digest !== digest) throw damageError(digest, await judge(digest))
        if (identity !== undefined) await sound?.mark(digest, identity, signal)
      })
    },

    async readDocument(digest, signal) {
      const document = await blobs.readDocument(digest, signal)
      if (document !== undefined) return document
      const stat = await blobs.stat(digest, signal)
      if (stat === undefined || stat.sizeBytes > maxDocumentBytes) return undefined
      const verdict = await judge(digest)
      return verdict === 'sound' ? blobs.readDocument(digest, signal) : undefined
    },

    upload: (mediaType, signal) => blobs.upload(mediaType, signal),

    ...(sound && { openSound: (digest: Digest) => sound.open(digest) }),
  }
}

function damageError(digest: Digest, verdict: Verdict): OperatingError {
  return verdict === 'sound'
    ? new OperatingError('STORAGE_BUSY', `${digest} was damaged on its way from the storage`)
    : new OperatingError(
        'STORAGE_FAILED',
        `${digest} is damaged; it is made again at the next pull`,
      )
}

/** Clients ask for all bytes from the first one on, too; only the storage knows where the last one is. */
async function coversAll(
  blobs: BlobStore,
  digest: Digest,
  range: ByteRange,
  signal: AbortSignal,
): Promise<boolean> {
  if (range.start > 0) return false
  const stat = await blobs.stat(digest, signal)
  return stat?.sizeBytes === lengthOf(range)
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}

/** What the stored bytes really are. */
async function readDigest(blobs: BlobStore, digest: Digest, signal: AbortSignal) {
  const source = await blobs.open(digest, undefined, signal)
  if (source === undefined) return undefined
  const hash = createHash('sha256')
  let sizeBytes = 0
  const read = async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) {
      hash.update(chunk)
      sizeBytes += chunk.length
    }
  }
  await pipeline(source, read, { signal })
  return { digest: digestFromHash(hash), sizeBytes }
}
