import { pipeline } from 'node:stream/promises'
import { parseByteRange, type ByteRange } from '#core/oci/byte-range.ts'
import type { Digest } from '#core/oci/digest.ts'
import { allowsRange, formatEntityTag, matchesEntityTag } from '#core/oci/entity-tag.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import type { Registry } from './registry.ts'
import {
  sendBody,
  sendNotModified,
  sendRefusal,
  writeHead,
  type Exchange,
  type Headers,
} from './response.ts'
import { SendBuffers } from './send-buffers.ts'
import { sendFile } from './send-file.ts'

type BlobTools = Pick<Registry, 'blobs' | 'locator'>

// One for all servers: it bounds the memory of the process.
const buffers = new SendBuffers()

/** GET and HEAD of `/v2/<name>/blobs/<digest>`, whole or in part. */
export async function serveBlob(
  exchange: Exchange,
  tools: BlobTools,
  digest: Digest,
): Promise<void> {
  const file = tools.locator === undefined ? await tools.blobs.openSound?.(digest) : undefined
  if (file === undefined) return serveStoredBlob(exchange, tools, digest)
  try {
    await serveSoundBlob(exchange, file, digest)
  } finally {
    await file.close()
  }
}

async function serveSoundBlob(exchange: Exchange, file: BlobFile, digest: Digest): Promise<void> {
  const body = decideBody(exchange, digest, file.sizeBytes)
  if (body === undefined) return
  writeHead(exchange, body.status, body.headers)
  await sendFile(exchange.response, file, body.range, buffers)
}

/** A blob that has to be looked for, and to be compared with its digest on its way. */
async function serveStoredBlob(
  exchange: Exchange,
  { blobs, locator }: BlobTools,
  digest: Digest,
): Promise<void> {
  const { request, response, signal } = exchange
  const stat = await blobs.stat(digest, signal)
  if (stat === undefined) return sendUnknownBlob(exchange, digest)
  if (locator !== undefined && request.method === 'GET' && !isKnown(exchange, digest))
    return sendRedirect(exchange, digest, await locator.locate(digest, signal))
  const body = decideBody(exchange, digest, stat.sizeBytes)
  if (body === undefined) return

  const range = body.status === 206 ? body.range : undefined
  const stream = await blobs.open(digest, range, signal)
  if (stream === undefined) return sendUnknownBlob(exchange, digest)
  try {
    writeHead(exchange, body.status, body.headers)
    await pipeline(stream, response)
  } finally {
    // A pipeline into a connection that has just gone leaves its source open.
    stream.destroy()
  }
}

/** Whether the client says that it has the blob. */
function isKnown({ request }: Exchange, digest: Digest): boolean {
  return matchesEntityTag(request.headers['if-none-match'], formatEntityTag(digest))
}

interface BlobBody {
  readonly status: 200 | 206
  readonly headers: Headers
  readonly range: ByteRange
}

/** What of the blob the client wants; `undefined` when it has been answered, because no body follows. */
function decideBody(exchange: Exchange, digest: Digest, sizeBytes: number): BlobBody | undefined {
  const { request, response } = exchange
  const tag = formatEntityTag(digest)
  const headers: Headers = {
    'Docker-Content-Digest': digest,
    ETag: tag,
    'Accept-Ranges': 'bytes',
    // The bytes of a digest never change.
    'Cache-Control': 'public, max-age=31536000, immutable',
  }
  if (isKnown(exchange, digest)) {
    sendNotModified(exchange, headers)
    return undefined
  }
  const ifRange = request.headers['if-range']?.toString()
  // RFC 9110, section 14.2: only GET has ranges.
  const hasRange = request.method === 'GET' && allowsRange(ifRange, tag)
  const wanted = hasRange ? request.headers.range : undefined
  const outcome = parseByteRange(wanted, sizeBytes)
  if (outcome.kind === 'unsatisfiable') {
    sendRefusal(exchange, {
      status: 416,
      code: 'UNSUPPORTED',
      message: `the blob has ${sizeBytes} bytes, the range ${wanted} lies outside`,
      headers: { 'Content-Range': `bytes */${sizeBytes}` },
    })
    return undefined
  }
  const isPart = outcome.kind === 'part'
  const range = isPart ? outcome.range : { start: 0, end: sizeBytes - 1 }
  const body: BlobBody = {
    status: isPart ? 206 : 200,
    range,
    headers: {
      ...headers,
      'Content-Type': 'application/octet-stream',
      'Content-Length': range.end - range.start + 1,
      ...(isPart && { 'Content-Range': `bytes ${range.start}-${range.end}/${sizeBytes}` }),
    },
  }
  if (request.method !== 'HEAD') return body
  writeHead(exchange, body.status, body.headers)
  response.end()
  return undefined
}

/**
 * 303, because the address is another resource that a GET reads (RFC 9110, section 15.4.4). Clients
 * send Range along, and leave their credentials here.
 */
function sendRedirect(exchange: Exchange, digest: Digest, address: URL): void {
  const headers: Headers = {
    Location: address.href,
    'Docker-Content-Digest': digest,
    // The address stops working, the blob does not.
    'Cache-Control': 'no-store',
  }
  sendBody(exchange, 303, headers, '')
}

function sendUnknownBlob(exchange: Exchange, digest: Digest): void {
  sendRefusal(exchange, {
    status: 404,
    code: 'BLOB_UNKNOWN',
    message: `${digest} is not stored here: pull the image by its tag, which makes its blobs`,
  })
}
