import type { IncomingMessage } from 'node:http'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { GcsConnection } from './gcs-connection.ts'
import { saysNoBucket } from './gcs-error.ts'
import { answerError, readAnswer, sendRequest, type GcsRequest } from './gcs-request.ts'
import {
  formatResource,
  parseResource,
  type GcsGeneration,
  type GcsObjectSpec,
} from './object-resource.ts'
import { resumableUploads, type AskGcs, type ResumableUploads } from './resumable-uploads.ts'
import { formatMultipart, type UploadBody } from './upload-body.ts'

/** The bytes of objects, to and from one bucket. Every method is one try and throws what it likes. */
export interface GcsTransfer extends ResumableUploads {
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

    async download(key, range, signal) {
      const url = new URL(`${endpoint}/${path}/${encodeURIComponent(key)}?alt=media`)
      const part = range && { range: `bytes=${range.start}-${range.end}` }
      const headers = { 'accept-encoding': 'identity', 'cache-control': 'no-store', ...part }
      const answer = await send({ method: 'GET', url, headers }, signal)
      if (answer.statusCode === (range === undefined ? 200 : 206)) return answer
      const error = answerError(answer, await readAnswer(answer, signal))
      if (error.code === 404 && !saysNoBucket(error)) return undefined
      throw error
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
