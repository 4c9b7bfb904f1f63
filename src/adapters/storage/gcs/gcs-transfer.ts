import type { IncomingMessage } from 'node:http'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { GcsConnection } from './gcs-connection.ts'
import { saysNoBucket, type GcsAnswerError } from './gcs-error.ts'
import { answerError, readAnswer, sendRequest, type GcsRequest } from './gcs-request.ts'
import {
  formatResource,
  parseInfo,
  parseResource,
  type GcsGeneration,
  type GcsObjectInfo,
  type GcsObjectSpec,
} from './object-resource.ts'
import { resumableUploads, type AskGcs, type ResumableUploads } from './resumable-uploads.ts'
import { formatMultipart, type UploadBody } from './upload-body.ts'

/**
 * The bytes of objects, to and from one bucket, and what is asked before each of them. Every method is
 * one try and throws what it likes.
 */
export interface GcsTransfer extends ResumableUploads {
  /**
   * What is there. Not by Google's own client: a call of its that nobody answers keeps its connection,
   * and this is asked a hundred times for one pull.
   */
  find(key: string, signal: AbortSignal): Promise<GcsObjectInfo | undefined>
  download(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage | undefined>
  /**
   * Writes an object in one request. With `ifGeneration` only while the object has that generation,
   * `0` for none; `undefined` when it has another.
   */
  insert(
    spec: GcsObjectSpec,
    body: UploadBody,
    ifGeneration: string | undefined,
    signal: AbortSignal,
  ): Promise<GcsGeneration | undefined>
}

export function createGcsTransfer(connection: GcsConnection, idleTimeoutMs: number): GcsTransfer {
  const { bucket, endpoint } = connection
  const path = `storage/v1/b/${encodeURIComponent(bucket.name)}/o`
  const uploadsUrl = `${endpoint}/upload/${path}`
  const urlOf = (key: string) => new URL(`${endpoint}/${path}/${encodeURIComponent(key)}`)

  const send = async (request: Omit<GcsRequest, 'idleTimeoutMs'>, signal: AbortSignal) => {
    const headers = { ...(await connection.authorization()), ...request.headers }
    return sendRequest({ ...request, headers, idleTimeoutMs }, signal)
  }
  const ask: AskGcs = async (request, signal) => {
    const answer = await send(request, signal)
    const text = await readAnswer(answer, signal)
    return { answer, text, status: answer.statusCode ?? 0 }
  }

  return {
    ...resumableUploads(ask, uploadsUrl),

    async find(key, signal) {
      const url = urlOf(key)
      url.searchParams.set('fields', 'size,timeCreated,generation')
      const { answer, text, status } = await ask({ method: 'GET', url, headers: {} }, signal)
      if (status === 200) return parseInfo(text)
      return undefinedIfAbsent(answerError(answer, text))
    },

    async download(key, range, signal) {
      const url = urlOf(key)
      url.searchParams.set('alt', 'media')
      const part = range && { range: `bytes=${range.start}-${range.end}` }
      const headers = { 'accept-encoding': 'identity', 'cache-control': 'no-store', ...part }
      const answer = await send({ method: 'GET', url, headers }, signal)
      if (answer.statusCode === (range === undefined ? 200 : 206)) return answer
      return undefinedIfAbsent(answerError(answer, await readAnswer(answer, signal)))
    },

    async insert(spec, body, ifGeneration, signal) {
      const url = new URL(`${uploadsUrl}?uploadType=multipart`)
      if (ifGeneration !== undefined) url.searchParams.set('ifGenerationMatch', ifGeneration)
      const resource = await formatResource(spec, body)
      const multipart = formatMultipart(resource, spec.contentType, body)
      const { answer, text, status } = await ask({ method: 'POST', url, ...multipart }, signal)
      if (status === 412 && ifGeneration !== undefined) return undefined
      if (status !== 200) throw answerError(answer, text)
      return parseResource(text)
    },
  }
}

/** The object, but not the bucket, may be absent. */
function undefinedIfAbsent(error: GcsAnswerError): undefined {
  if (error.code === 404 && !saysNoBucket(error)) return undefined
  throw error
}
