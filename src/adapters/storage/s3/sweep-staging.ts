import { abortMultipartUpload } from './copy-object.ts'
import { listObjects, listUnfinishedUploads } from './list-objects.ts'
import type { S3Bucket } from './s3-bucket.ts'
import { removeObject } from './small-objects.ts'

// No upload takes a day; a bucket does not tell whose it is, and whether they live.
const mostAgeMs = 24 * 60 * 60 * 1000

// Uploads begin in staging; large copies in the folder that they go to.
const uploadFolders = ['staging/', 'layers/', 'quarantine/']

/** Removes what dead processes left: staged objects, and multipart uploads that nobody ended. */
export async function sweepStaging(
  bucket: S3Bucket,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  const isOld = (sinceMs: number) => sinceMs < nowMs - mostAgeMs
  let swept = 0
  for await (const { key, changedMs } of listObjects(bucket, 'staging/', signal)) {
    if (!isOld(changedMs)) continue
    await removeObject(bucket, key, signal)
    swept += 1
  }
  for (const folder of uploadFolders) {
    for await (const upload of listUnfinishedUploads(bucket, folder, signal)) {
      if (!isOld(upload.begunMs)) continue
      await abortMultipartUpload(bucket, upload.key, upload.uploadId, signal)
      swept += 1
    }
  }
  return swept
}
