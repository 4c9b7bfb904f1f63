import type { IncomingMessage } from 'node:http'
import { answerError, type GcsRequest } from './gcs-request.ts'
import {
  formatResource,
  parseResource,
  type GcsGeneration,
  type GcsObjectSpec,
} from './object-resource.ts'
import { bodyFrom, bodyOf, type UploadBody } from './upload-body.ts'

/** One request with its login, and all of its answer. */
export type AskGcs = (
  request: Omit<GcsRequest, 'idleTimeoutMs'>,
  signal: AbortSignal,
) => Promise<{
  readonly answer: IncomingMessage
  readonly text: string
  readonly status: number
}>

export interface ResumableUploads {
  /** Begins an upload; gives its address, which is all that is needed to go on. */
  begin(spec: GcsObjectSpec, body: UploadBody, signal: AbortSignal): Promise<URL>
  /**
   * Sends an upload that was begun; one that was interrupted from where the bucket has it. `undefined`
   * when the bucket no longer knows it.
   */
  send(
    address: URL,
    body: UploadBody,
    interrupted: boolean,
    signal: AbortSignal,
  ): Promise<GcsGeneration | undefined>
}

/** Google's protocol for uploads that go on after an interruption; `uploadsUrl` takes new ones. */
export function resumableUploads(ask: AskGcs, uploadsUrl: string): ResumableUploads {
  return {
    async begin(spec, body, signal) {
      const url = new URL(`${uploadsUrl}?uploadType=resumable`)
      url.searchParams.set('name', spec.key)
      const headers = {
        'content-type': 'application/json',
        'x-upload-content-type': spec.contentType,
        'x-upload-content-length': String(body.sizeBytes),
      }
      const resource = bodyOf(Buffer.from(JSON.stringify(await formatResource(spec, body))))
      const { answer, text, status } = await ask(
        { method: 'POST', url, headers, body: resource },
        signal,
      )
      const { location } = answer.headers
      if (status !== 200 || location === undefined) throw answerError(answer, text)
      // The same way as all else, whatever the server calls itself.
      const { pathname, search } = new URL(location, url)
      return new URL(pathname + search, url)
    },

    async send(address, body, interrupted, signal) {
      const { sizeBytes } = body
      const put = (range: string, rest?: UploadBody) => {
        const headers = { 'content-range': `bytes ${range}/${sizeBytes}` }
        return ask({ method: 'PUT', url: address, headers, ...(rest && { body: rest }) }, signal)
      }
      let startBytes = 0
      if (interrupted) {
        const { answer, text, status } = await put('*')
        if (status === 200 || status === 201) return parseResource(text)
        if (status >= 500 || status === 429) throw answerError(answer, text)
        if (status !== 308) return undefined
        startBytes = parseStoredBytes(answer.headers.range)
        // It has all bytes and says that it is not done: there is nothing to send, and no range of nothing.
        if (startBytes >= sizeBytes) return undefined
      }
      const rest = bodyFrom(body, startBytes)
      const { answer, text, status } = await put(`${startBytes}-${sizeBytes - 1}`, rest)
      if (status === 200 || status === 201) return parseResource(text)
      if (status === 404 || status === 410) return undefined
      throw answerError(answer, text)
    },
  }
}

/** `Range: bytes=0-42` says which bytes an interrupted upload has kept; without it there are none. */
function parseStoredBytes(header: string | undefined): number {
  const last = /^bytes=0-(\d+)$/.exec(header ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}
