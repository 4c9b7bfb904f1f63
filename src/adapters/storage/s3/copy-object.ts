import assert from 'node:assert/strict'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { runInLanes } from '#engine/run-in-lanes.ts'
import { callBucket, type S3Bucket } from './s3-bucket.ts'
import { isMissing } from './s3-error.ts'
import { removeObject, statObject, unlessMissing } from './small-objects.ts'

export interface CopyPlan {
  readonly from: string
  readonly to: string
  readonly sizeBytes: number
  readonly contentType: string
}

// S3 copies up to 5 GiB in one request, but answers only when all is copied: a larger piece would
// have to be waited for longer, and several go side by side. With 10,000 parts, as many as S3 takes,
// this copies 9.7 TiB, more than an object may have.
const defaultPieceBytes = 1024 ** 3
const piecesAtOnce = 4

/** Copies an object within the bucket, without its bytes coming here. What was under `to` is replaced. */
export async function copyObject(
  bucket: S3Bucket,
  plan: CopyPlan,
  signal: AbortSignal,
  pieceBytes = defaultPieceBytes,
): Promise<void> {
  if (plan.sizeBytes > pieceBytes) return copyInPieces(bucket, plan, signal, pieceBytes)
  await callBucket(
    bucket,
    `cannot copy ${plan.from} to ${plan.to}`,
    bucket.limits.copy,
    (s3, options) =>
      s3.copyObject(
        { Bucket: bucket.name, Key: plan.to, CopySource: sourceOf(bucket, plan) },
        options,
      ),
    signal,
  )
}

/**
 * Gives an object another key; false when it is not there. What somebody has replaced meanwhile stays:
 * a blob in quarantine may be made again while another instance still moves it there. Only some servers
 * remove on a condition, so the last look comes right before the removal.
 */
export async function moveObject(
  bucket: S3Bucket,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await statObject(bucket, from, signal)
  if (found === undefined) return false
  try {
    await copyObject(bucket, { ...found, from, to }, signal)
  } catch (error) {
    // Somebody else has moved or removed it meanwhile.
    if (isMissing(error)) return false
    throw error
  }
  const now = await statObject(bucket, from, signal)
  if (now?.entityTag === found.entityTag) await removeObject(bucket, from, signal)
  return true
}

/** Pieces are as large as each other but for the last: R2 takes nothing else. */
async function copyInPieces(
  bucket: S3Bucket,
  plan: CopyPlan,
  signal: AbortSignal,
  pieceBytes: number,
): Promise<void> {
  const { from, to, sizeBytes } = plan
  const doing = `cannot copy ${from} to ${to}`
  const target = { Bucket: bucket.name, Key: to }
  const { small, copy } = bucket.limits
  const begun = await callBucket(
    bucket,
    doing,
    small,
    (s3, options) =>
      s3.createMultipartUpload({ ...target, ContentType: plan.contentType }, options),
    signal,
  )
  assert(begun.UploadId !== undefined, 'S3 names the multipart uploads that it begins')
  const upload = { ...target, UploadId: begun.UploadId }
  const parts: CompletedPart[] = []
  try {
    await runInLanes(
      Array(Math.ceil(sizeBytes / pieceBytes)).keys(),
      piecesAtOnce,
      async (index, signal) => {
        const start = index * pieceBytes
        const end = Math.min(start + pieceBytes, sizeBytes) - 1
        const piece = {
          ...upload,
          PartNumber: index + 1,
          CopySource: sourceOf(bucket, plan),
          CopySourceRange: `bytes=${start}-${end}`,
        }
        const { CopyPartResult: { ETag } = {} } = await callBucket(
          bucket,
          doing,
          copy,
          (s3, options) => s3.uploadPartCopy(piece, options),
          signal,
        )
        parts[index] = { ETag, PartNumber: index + 1 }
      },
      signal,
    )
    await callBucket(
      bucket,
      doing,
      copy,
      (s3, options) =>
        s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: parts } }, options),
      signal,
    )
  } catch (error) {
    await abortMultipartUpload(bucket, to, upload.UploadId).catch(() => {
      // The sweep of staging finds it; the first error says more.
    })
    throw error
  }
}

/** Drops the parts of a multipart upload that was not completed. Ends within its own bounds. */
export async function abortMultipartUpload(
  bucket: S3Bucket,
  key: string,
  uploadId: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  await callBucket(
    bucket,
    `cannot drop the upload of ${key}`,
    bucket.limits.small,
    (s3, options) =>
      unlessMissing(
        s3.abortMultipartUpload({ Bucket: bucket.name, Key: key, UploadId: uploadId }, options),
      ),
    signal,
  )
}

/** Keys are plain; what a name of a bucket may hold needs no escaping either. */
function sourceOf(bucket: S3Bucket, { from }: CopyPlan): string {
  return `${bucket.name}/${from}`
}
