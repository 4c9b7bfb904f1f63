import type { ListMultipartUploadsCommandInput } from '@aws-sdk/client-s3'
import type { ListedObject } from '../object-store.ts'
import { callBucket, type S3Bucket } from './s3-bucket.ts'

export interface UnfinishedUpload {
  readonly key: string
  readonly uploadId: string
  readonly begunMs: number
}

/** Objects below a prefix, a page of at most a thousand at a time. */
export async function* listObjects(
  bucket: S3Bucket,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ListedObject> {
  let ContinuationToken: string | undefined
  do {
    const input = { Bucket: bucket.name, Prefix: prefix, ContinuationToken }
    const page = await callBucket(
      bucket,
      `cannot list ${prefix}`,
      bucket.limits.small,
      (s3, options) => s3.listObjectsV2(input, options),
      signal,
    )
    for (const { Key, Size = 0, LastModified } of page.Contents ?? [])
      if (Key !== undefined && LastModified !== undefined)
        yield { key: Key, sizeBytes: Size, changedMs: LastModified.getTime() }
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
}

/** Multipart uploads below a prefix that were neither completed nor dropped. */
export async function* listUnfinishedUploads(
  bucket: S3Bucket,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<UnfinishedUpload> {
  let isLast = false
  let from: Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'> = {}
  while (!isLast) {
    const input = { Bucket: bucket.name, Prefix: prefix, ...from }
    const page = await callBucket(
      bucket,
      `cannot list unfinished uploads in ${prefix}`,
      bucket.limits.small,
      (s3, options) => s3.listMultipartUploads(input, options),
      signal,
    )
    for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
      if (Key !== undefined && UploadId !== undefined && Initiated !== undefined)
        yield { key: Key, uploadId: UploadId, begunMs: Initiated.getTime() }
    isLast = page.IsTruncated !== true || page.NextKeyMarker === undefined
    from = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
  }
}
