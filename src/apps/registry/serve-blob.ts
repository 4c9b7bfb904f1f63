import { pipeline } from 'node:stream/promises'
import { parseByteRange } from '#core/oci/byte-range.ts'
import type { Digest } from '#core/oci/digest.ts'
import { allowsRange, formatEntityTag, matchesEntityTag } from '#core/oci/entity-tag.ts'
import type { Registry } from './registry.ts'
import { sendBody, sendNotModified, sendRefusal, type Exchange, type Headers } from './response.ts'

/** GET and HEAD of `/v2/<name>/blobs/<digest>`, whole or in part. */
export async function serveBlob(
  exchange: Exchange,
  { blobs, locator }: Pick<Registry, 'blobs' | 'locator'>,
  digest: Digest,
): Promise<void> {
  const { request, signal } = exchange
  const stat = await blobs.stat(digest, signal)
  if (stat === undefined) return sendUnknownBlob(exchange, digest)

  const tag = formatEntityTag(digest)
  const headers: Headers = {
    'Docker-Content-Digest': digest,
    ETag: tag,
    'Accept-Ranges': 'bytes',
    // The bytes of a digest never change.
    'Cache-Control': 'public, max-age=31536000, immutable',
  }
  if (matchesEntityTag(request.headers['if-none-match'], tag))
    return sendNotModified(exchange, headers)

  if (locator !== undefined && request.method === 'GET')
    return sendRedirect(exchange, digest, await locator.locate(digest, signal))

  const ifRange = request.headers['if-range']?.toString()
  // RFC 9110, section 14.2: only GET has ranges.
  const hasRange = request.method === 'GET' && allowsRange(ifRange, tag)
  const wanted = hasRange ? request.headers.range : undefined
  const outcome = parseByteRange(wanted, stat.sizeBytes)
  if (outcome.kind === 'unsatisfiable') {
    return sendRefusal(exchange, {
      status: 416,
      code: 'UNSUPPORTED',
      message: `the blob has ${stat.sizeBytes} bytes, the range ${wanted} lies outside`,
      headers: { 'Content-Range': `bytes */${stat.sizeBytes}` },
    })
  }
  const range = outcome.kind === 'part' ? outcome.range : undefined
  const status = range === undefined ? 200 : 206
  const length = range === undefined ? stat.sizeBytes : range.end - range.start + 1
  const sent: Headers = {
    ...headers,
    'Content-Type': 'application/octet-stream',
    'Content-Length': length,
    ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${stat.sizeBytes}` }),
  }
  if (request.method === 'HEAD') {
    exchange.response.writeHead(status, sent).end()
    return
  }
  const stream = await blobs.open(digest, range, signal)
  if (stream === undefined) return sendUnknownBlob(exchange, digest)
  try {
    exchange.response.writeHead(status, sent)
    await pipeline(stream, exchange.response)
  } finally {
    // A pipeline into a connection that has just gone leaves its source open.
    stream.destroy()
  }
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
