import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { SpooledPart } from '../spool/spooled-part.ts'

/** Bytes that can be read again for every try. */
export type UploadBody = Pick<SpooledPart, 'sizeBytes' | 'open'>

/** Bytes in memory as a body. */
export function bodyOf(bytes: Uint8Array): UploadBody {
  const open = () => Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false })
  return { sizeBytes: bytes.length, open }
}

/** The body without its first bytes. */
export function bodyFrom(body: UploadBody, startBytes: number): UploadBody {
  if (startBytes === 0) return body
  async function* rest() {
    let skippedBytes = 0
    for await (const chunk of body.open() as AsyncIterable<Uint8Array>) {
      const skip = Math.min(chunk.length, startBytes - skippedBytes)
      skippedBytes += skip
      if (skip < chunk.length) yield chunk.subarray(skip)
    }
  }
  return {
    sizeBytes: body.sizeBytes - startBytes,
    open: () => Readable.from(rest(), { objectMode: false }),
  }
}

/** One request with metadata and bytes (RFC 2387), as `uploadType=multipart` takes it. */
export function formatMultipart(metadata: object, contentType: string, body: UploadBody) {
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
