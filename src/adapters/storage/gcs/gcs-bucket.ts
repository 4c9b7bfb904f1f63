import type { Bucket, FileMetadata } from '@google-cloud/storage'
import type { ObjectStore } from '../object-store.ts'
import type { GcsCalls } from './gcs-calls.ts'
import { saysNoBucket, statusOf } from './gcs-error.ts'
import type { GcsTransfer } from './gcs-transfer.ts'
import type { GcsObjectInfo } from './object-resource.ts'

/** All about objects but their bytes. */
export interface GcsBucket {
  readonly find: (key: string, signal: AbortSignal) => Promise<GcsObjectInfo | undefined>
  readonly remove: ObjectStore['remove']
  readonly move: ObjectStore['move']
  readonly list: ObjectStore['list']
}

// Google gives at most a thousand in one answer.
const pageSize = 1000

export function gcsBucket(
  bucket: Bucket,
  transfer: Pick<GcsTransfer, 'find'>,
  calls: GcsCalls,
): GcsBucket {
  const find: GcsBucket['find'] = (key, signal) =>
    calls.persistently(`cannot look for ${key}`, (both) => transfer.find(key, both), signal)

  return {
    find,
    async remove(key, signal) {
      const remove = () => bucket.file(key).delete({ ignoreNotFound: true })
      await calls.persistently(`cannot remove ${key}`, remove, signal)
    },

    /** Copies within the bucket, and removes no other version than the copied one. */
    async move(from, to, signal) {
      const found = await find(from, signal)
      if (found === undefined) return false
      const { generation } = found
      const source = bucket.file(from, { generation })
      const copied = await calls.persistently(
        `cannot copy ${from} to ${to}`,
        () => unlessAbsent(source.copy(bucket.file(to))),
        signal,
      )
      if (copied === undefined) return false
      await calls.persistently(
        `cannot remove ${from}`,
        () => unlessAbsent(bucket.file(from).delete({ ifGenerationMatch: generation }), 412),
        signal,
      )
      return true
    },

    async *list(folder, signal) {
      let pageToken: string | undefined
      do {
        const query = {
          prefix: `${folder}/`,
          autoPaginate: false,
          maxResults: pageSize,
          fields: 'items(name,size,timeCreated,generation),nextPageToken',
          ...(pageToken !== undefined && { pageToken }),
        }
        const [files, next] = await calls.persistently(
          `cannot list ${folder}`,
          () => bucket.getFiles(query),
          signal,
        )
        // With `fields` Google's client gives plain metadata, whatever its types say.
        for (const found of files as unknown as (FileMetadata & { name: string })[])
          yield {
            key: found.name,
            sizeBytes: Number(found.size ?? 0),
            changedMs: Date.parse(found.timeCreated ?? ''),
          }
        pageToken = (next as { pageToken?: string } | null)?.pageToken
      } while (pageToken !== undefined)
    },
  }
}

/** `undefined` when the object, but not the bucket, is not there, or when the answer is `also`. */
async function unlessAbsent<T>(call: Promise<T>, also?: number): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    const status = statusOf(error)
    if ((status === 404 && !saysNoBucket(error)) || (also !== undefined && status === also))
      return undefined
    throw error
  }
}
