import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { abortable } from '#engine/abortable.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { PartTarget } from '../spool/spooled-upload.ts'
import type { SpooledPart } from '../spool/spooled-part.ts'
import { storageKeys } from '../storage-layout.ts'
import { abortMultipartUpload, copyObject } from './copy-object.ts'
import { callBucket, type S3Bucket } from './s3-bucket.ts'
import { mostMemoryBytes, sendPart } from './send-part.ts'
import { removeObject, statObject, unlessMissing, whenAbsent } from './small-objects.ts'

/**
 * Where the parts of one upload go: a multipart upload under a name of its own in `staging/`, since
 * the digest is not known before the end. It is then copied to its key within the bucket.
 *
 * S3 wants parts of 5 MiB and more and at most 10,000 of them; R2 wants them equally large, so they
 * cannot grow with the upload. With parts of 16 MiB the largest blob has 156 GiB.
 */
export class MultipartTarget implements PartTarget {
  readonly #bucket: S3Bucket
  readonly #contentType: string
  readonly #stagedKey = storageKeys.staged(randomUUID())
  readonly #parts: CompletedPart[] = []
  #uploadId: Promise<string> | undefined
  #isComplete = false

  constructor(bucket: S3Bucket, contentType: string) {
    this.#bucket = bucket
    this.#contentType = contentType
  }

  /**
   * One request is atomic, so nothing has to be staged. Where a blob is stored already, as builders of
   * one image find it, a large one is not sent in vain.
   */
  async putWhole(key: string, part: SpooledPart, signal: AbortSignal): Promise<void> {
    const isStored = async () =>
      (await statObject(this.#bucket, key, signal))?.sizeBytes === part.sizeBytes
    if (part.sizeBytes > mostMemoryBytes && (await isStored())) return
    const doing = `cannot write ${key}`
    const put = (IfNoneMatch?: '*') =>
      sendPart(
        this.#bucket,
        doing,
        part,
        (s3, body, options) =>
          s3.putObject(
            { ...this.#target(key), ContentType: this.#contentType, IfNoneMatch, ...body },
            options,
          ),
        signal,
      )
    const isWritten = await whenAbsent(this.#bucket, key, () => put('*'), signal)
    if (!isWritten && !(await isStored())) await put()
  }

  async putPart(number: number, part: SpooledPart, signal: AbortSignal): Promise<void> {
    const PartNumber = number + 1
    const doing = `cannot store part ${PartNumber} of ${this.#stagedKey}`
    const UploadId = await this.#begin(signal)
    const { ETag, ChecksumCRC32 } = await sendPart(
      this.#bucket,
      doing,
      part,
      (s3, body, options) =>
        s3.uploadPart({ ...this.#target(this.#stagedKey), UploadId, PartNumber, ...body }, options),
      signal,
    )
    // Servers that keep checksums compare them again when they join the parts.
    this.#parts[number] = { PartNumber, ETag, ChecksumCRC32 }
  }

  async join(key: string, count: number, sizeBytes: number, signal: AbortSignal): Promise<void> {
    assert.equal(
      Object.keys(this.#parts).length,
      count,
      'every part is stored before they are joined',
    )
    const from = this.#stagedKey
    await this.#complete(sizeBytes, signal)
    // Another instance may have stored the same blob meanwhile, or an earlier try whose answer was lost.
    const stored = await statObject(this.#bucket, key, signal)
    if (stored?.sizeBytes !== sizeBytes) {
      const plan = { from, to: key, sizeBytes, contentType: this.#contentType }
      await copyObject(this.#bucket, plan, signal)
    }
    // The blob is there, which is what counts; the sweep finds what cannot be removed now.
    await removeObject(this.#bucket, from, signal).catch((error: unknown) => {
      process.emitWarning(`a staged object is left: ${String(error)}`)
    })
  }

  async abandon(): Promise<void> {
    const uploadId = await this.#uploadId?.catch(() => undefined)
    if (uploadId === undefined) return
    if (!this.#isComplete) await abortMultipartUpload(this.#bucket, this.#stagedKey, uploadId)
    await removeObject(this.#bucket, this.#stagedKey, new AbortController().signal)
  }

  /** The parts that come first share one beginning; after a failure the next one begins anew. */
  #begin(signal: AbortSignal): Promise<string> {
    this.#uploadId ??= this.#create().catch((error: unknown) => {
      this.#uploadId = undefined
      throw error
    })
    return abortable(this.#uploadId, signal)
  }

  /** Heard to its end, whoever leaves: an upload whose name we never learn cannot be dropped. */
  async #create(): Promise<string> {
    const { checksum, limits } = this.#bucket
    const input = {
      ...this.#target(this.#stagedKey),
      ContentType: this.#contentType,
      ...(checksum === 'crc32' && { ChecksumAlgorithm: 'CRC32' as const }),
    }
    const { UploadId } = await callBucket(
      this.#bucket,
      `cannot begin ${this.#stagedKey}`,
      limits.small,
      (s3, options) => s3.createMultipartUpload(input, options),
      new AbortController().signal,
    )
    assert(UploadId !== undefined, 'S3 names the multipart uploads that it begins')
    return UploadId
  }

  async #complete(sizeBytes: number, signal: AbortSignal): Promise<void> {
    if (this.#isComplete) return
    const input = {
      ...this.#target(this.#stagedKey),
      UploadId: await this.#begin(signal),
      MultipartUpload: { Parts: this.#parts },
    }
    const doing = `cannot complete ${this.#stagedKey}`
    const done = await callBucket(
      this.#bucket,
      doing,
      this.#bucket.limits.copy,
      (s3, options) => unlessMissing(s3.completeMultipartUpload(input, options)),
      signal,
    )
    if (done === undefined) await this.#requireStaged(doing, sizeBytes, signal)
    this.#isComplete = true
  }

  /** The answer to an earlier completion may have been lost; then the object is there. */
  async #requireStaged(doing: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    const staged = await statObject(this.#bucket, this.#stagedKey, signal)
    if (staged?.sizeBytes !== sizeBytes)
      throw new OperatingError('STORAGE_FAILED', `${doing}: the server has dropped its parts`)
  }

  #target(key: string) {
    return { Bucket: this.#bucket.name, Key: key }
  }
}
