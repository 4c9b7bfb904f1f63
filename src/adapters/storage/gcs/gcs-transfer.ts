import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { z } from 'zod'
import type { ByteRange } from '#core/oci/byte-range.ts'
import type { SpooledPart } from '../spool/spooled-part.ts'
import type { GcsConnection } from './gcs-connection.ts'
import { GcsAnswerError, saysNoBucket } from './gcs-error.ts'
import { answerError, readAnswer, sendRequest, type GcsRequest } from './gcs-request.ts'

/** Bytes that can be read again for every try. */
export type GcsBody = Pick<SpooledPart, 'sizeBytes' | 'open'>

export interface GcsObjectSpec {
  readonly key: string
  readonly contentType: string
  /** What caches between the bucket and its readers may keep; Google's default unless given. */
  readonly cacheControl?: string
}

/** A version of an object. */
export interface GcsGeneration {
  readonly generation: string
  readonly sizeBytes: number
}

/** The bytes of objects, to and from one bucket. Every method is one try and throws what it likes. */
export interface GcsTransfer {
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
    body: GcsBody,
    ifGeneration: string | undefined,
    signal: AbortSignal,
  ): Promise<GcsGeneration | undefined>
  /** Begins a resumable upload; gives its address, which is all that is needed to go on. */
  begin(spec: GcsObjectSpec, body: GcsBody, signal: AbortSignal): Promise<URL>
  /**
   * Sends an upload that was begun; one that was interrupted from where the bucket has it. `undefined`
   * when the bucket no longer knows it.
   */
  send(
    address: URL,
    body: GcsBody,
    interrupted: boolean,
    signal: AbortSignal,
  ): Promise<GcsGeneration | undefined>
}

// Longer than Google takes to begin an answer, or to go on with one.
const defaultIdleTimeoutMs = 30_000

const objectSchema = z.object({
  generation: z.coerce.string().regex(/^[0-9]+$/),
  size: z.coerce.number().default(0),
})

export function createGcsTransfer(
  connection: GcsConnection,
  idleTimeoutMs = defaultIdleTimeoutMs,
): GcsTransfer {
  const { bucket, endpoint } = connection
  const objectsOf = (path: string) =>
    `${endpoint}${path}/storage/v1/b/${encodeURIComponent(bucket.name)}/o`

  /** The answer and its text, for all but downloads. */
  const ask = async (request: Omit<GcsRequest, 'idleTimeoutMs'>, signal: AbortSignal) => {
    const answer = await sendRequest({ ...request, idleTimeoutMs }, signal)
    const text = await readAnswer(answer, signal)
    return { answer, text, status: answer.statusCode ?? 0 }
  }

  return {
    async download(key, range, signal) {
      const url = new URL(`${objectsOf('')}/${encodeURIComponent(key)}?alt=media`)
      const part = range && { range: `bytes=${range.start}-${range.end}` }
      const headers = { 'accept-encoding': 'identity', 'cache-control': 'no-store', ...part }
      const answer = await sendRequest(
        {
          method: 'GET',
          url,
          headers: { ...(await connection.authorization()), ...headers },
          idleTimeoutMs,
        },
        signal,
      )
      if (answer.statusCode === (range === undefined ? 200 : 206)) return answer
      const error = answerError(answer, await readAnswer(answer, signal))
      if (error.code === 404 && !saysNoBucket(error)) return undefined
      throw error
    },

    async insert(spec, body, ifGeneration, signal) {
      const url = new URL(`${objectsOf('/upload')}?uploadType=multipart`)
      if (ifGeneration !== undefined) url.searchParams.set('ifGenerationMatch', ifGeneration)
      const { headers, body: multipart } = formatMultipart(
        { name: spec.key, ...(await formatMetadata(spec, body)) },
        spec.contentType,
        body,
      )
      const { answer, text, status } = await ask(
        {
          method: 'POST',
          url,
          headers: { ...(await connection.authorization()), ...headers },
          body: multipart,
        },
        signal,
      )
      if (status === 412 && ifGeneration !== undefined) return undefined
      if (status !== 200) throw answerError(answer, text)
      return parseObject(text)
    },

    async begin(spec, body, signal) {
      const url = new URL(`${objectsOf('/upload')}?uploadType=resumable`)
      url.searchParams.set('name', spec.key)
      const metadata = Buffer.from(JSON.stringify(await formatMetadata(spec, body)))
      const headers = {
        'content-type': 'application/json',
        'x-upload-content-type': spec.contentType,
        'x-upload-content-length': String(body.sizeBytes),
      }
      const { answer, text, status } = await ask(
        {
          method: 'POST',
          url,
          headers: { ...(await connection.authorization()), ...headers },
          body: bodyOf(metadata),
        },
        signal,
      )
      const { location } = answer.headers
      if (status !== 200 || location === undefined) throw answerError(answer, text)
      // The same way as all else, whatever the server calls itself.
      const { pathname, search } = new URL(location, endpoint)
      return new URL(pathname + search, endpoint)
    },

    async send(address, body, interrupted, signal) {
      const { sizeBytes } = body
      const put = (range: string, rest?: GcsBody) => {
        const headers = { 'content-range': `bytes ${range}/${sizeBytes}` }
        return ask({ method: 'PUT', url: address, headers, ...(rest && { body: rest }) }, signal)
      }
      let startBytes = 0
      if (interrupted) {
        const { answer, text, status } = await put('*')
        if (status === 200 || status === 201) return parseObject(text)
        if (status >= 500 || status === 429) throw answerError(answer, text)
        if (status !== 308) return undefined
        startBytes = parseStoredBytes(answer.headers.range)
      }
      const { answer, text, status } = await put(`${startBytes}-${sizeBytes - 1}`, {
        sizeBytes: sizeBytes - startBytes,
        open: () => skipBytes(body.open(), startBytes),
      })
      if (status === 200 || status === 201) return parseObject(text)
      throw answerError(answer, text)
    },
  }
}

/** What Google refuses an upload for whose bytes have changed on their way. MD5 is fast, CRC32C is not in Node. */
async function formatMetadata(spec: GcsObjectSpec, body: GcsBody) {
  const md5 = createHash('md5')
  for await (const chunk of body.open()) md5.update(chunk as Uint8Array)
  const { contentType, cacheControl } = spec
  return { contentType, cacheControl, md5Hash: md5.digest('base64') }
}

/** One request with metadata and bytes (RFC 2387), as `uploadType=multipart` takes it. */
function formatMultipart(metadata: object, contentType: string, body: GcsBody) {
  const boundary = randomUUID()
  const head = Buffer.from(
    `--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(metadata)}\r\n` +
      `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--`)
  async function* whole() {
    yield head
    yield* body.open() as AsyncIterable<Uint8Array>
    yield tail
  }
  return {
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: {
      sizeBytes: head.length + body.sizeBytes + tail.length,
      open: () => Readable.from(whole(), { objectMode: false }),
    },
  }
}

/** `Range: bytes=0-42` says which bytes an interrupted upload has kept; without it there are none. */
function parseStoredBytes(header: string | undefined): number {
  const last = /^bytes=0-(\d+)$/.exec(header ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}

function skipBytes(stream: Readable, sizeBytes: number): Readable {
  if (sizeBytes === 0) return stream
  async function* rest() {
    let skippedBytes = 0
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      const skip = Math.min(chunk.length, sizeBytes - skippedBytes)
      skippedBytes += skip
      if (skip < chunk.length) yield chunk.subarray(skip)
    }
  }
  return Readable.from(rest(), { objectMode: false })
}

function parseObject(text: string): GcsGeneration {
  try {
    const { generation, size } = objectSchema.parse(JSON.parse(text))
    return { generation, sizeBytes: size }
  } catch {
    throw new GcsAnswerError(502, `this is no answer of Google's: ${text.slice(0, 100)}`)
  }
}

/** Bytes in memory as a body. */
export function bodyOf(bytes: Uint8Array): GcsBody {
  const open = () => Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false })
  return { sizeBytes: bytes.length, open }
}
