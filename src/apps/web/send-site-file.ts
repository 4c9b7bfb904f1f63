import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants as zlib, gzip } from 'node:zlib'
import { BoundedMap } from '#core/memory/bounded-map.ts'
import { digestOf } from '#core/oci/digest.ts'
import { matchesEntityTag } from '#core/oci/entity-tag.ts'
import type { Exchange, Headers } from '../registry/response.ts'
import { contentTypeOf, isCompressible } from './content-types.ts'

/** Scripts, styles, pages and the index of their search are smaller; what is larger is sent from the disk, as it is. */
export const mostKeptBytes = 512 * 1024

// With both compressed forms less than a MiB each.
const mostKept = 64

/** A small file in memory, compressed once for each encoding that somebody takes. */
interface KeptFile {
  readonly bytes: Buffer
  readonly digest: string
  readonly encoded: Map<Encoding, Promise<Buffer>>
}

type Encoding = 'br' | 'gzip'

/** What is said of a file, whatever form it is sent in. */
interface Head {
  readonly status: 200 | 404
  readonly isText: boolean
  readonly headers: Headers
}

const compress: Readonly<Record<Encoding, (bytes: Buffer) => Promise<Buffer>>> = {
  // Nearly as small as with 11, in a tenth of the time.
  br: (bytes) => promisify(brotliCompress)(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: (bytes) => promisify(gzip)(bytes, { level: 9 }),
}

/** Sends files of pages, compressed where the client and the file allow it. */
export class SiteSender {
  /** By path, size and time: a file that was changed is another one. */
  readonly #kept = new BoundedMap<string, KeptFile>(mostKept)

  /**
   * Says whether the file was there.
   *
   * @param path of a file without links
   * @param headers beside those that the file itself decides
   * @param status 404 for a page that says what is not there
   */
  async send(
    exchange: Exchange,
    path: string,
    headers: Headers,
    status: 200 | 404 = 200,
  ): Promise<boolean> {
    const handle = await openUnlessGone(path)
    if (handle === undefined) return false
    try {
      const { size, mtimeMs } = await handle.stat()
      const type = contentTypeOf(path)
      const all = { ...headers, 'Content-Type': type, 'X-Content-Type-Options': 'nosniff' }
      const head = { status, isText: isCompressible(type), headers: all }
      if (size > mostKeptBytes) await sendLarge(exchange, handle, { size, mtimeMs }, head)
      else await sendKept(exchange, await this.#keep(`${path} ${size} ${mtimeMs}`, handle), head)
      return true
    } finally {
      await handle.close()
    }
  }

  async #keep(key: string, handle: FileHandle): Promise<KeptFile> {
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const bytes = await handle.readFile()
    const kept = { bytes, digest: digestOf(bytes), encoded: new Map<Encoding, Promise<Buffer>>() }
    this.#kept.set(key, kept)
    return kept
  }
}

async function openUnlessGone(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}

async function sendKept(
  { request, response }: Exchange,
  file: KeptFile,
  { status, isText, headers }: Head,
): Promise<void> {
  const encoding = isText ? chooseEncoding(request.headers['accept-encoding']) : undefined
  const tag = `"${file.digest}${encoding === undefined ? '' : `-${encoding}`}"`
  const common = { ...headers, ETag: tag, ...(isText && { Vary: 'Accept, Accept-Encoding' }) }
  if (status === 200 && matchesEntityTag(request.headers['if-none-match'], tag))
    return void response.writeHead(304, common).end()
  const bytes = encoding === undefined ? file.bytes : await encode(file, encoding)
  response.writeHead(status, {
    ...common,
    'Content-Length': bytes.length,
    ...(encoding !== undefined && { 'Content-Encoding': encoding }),
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

function encode({ bytes, encoded }: KeptFile, encoding: Encoding): Promise<Buffer> {
  const known = encoded.get(encoding) ?? compress[encoding](bytes)
  encoded.set(encoding, known)
  return known
}

async function sendLarge(
  { request, response, signal }: Exchange,
  handle: FileHandle,
  { size, mtimeMs }: { readonly size: number; readonly mtimeMs: number },
  { status, headers }: Head,
): Promise<void> {
  const tag = `W/"${size}-${mtimeMs}"`
  if (status === 200 && request.headers['if-none-match'] === tag)
    return void response.writeHead(304, { ...headers, ETag: tag }).end()
  response.writeHead(status, { ...headers, ETag: tag, 'Content-Length': size })
  if (request.method === 'HEAD') return void response.end()
  // A file that grows meanwhile must not send more than was said.
  const content = handle.createReadStream({ autoClose: false, start: 0, end: size - 1 })
  await pipeline(content, response, { signal })
}

/** The best of what a client takes (RFC 9110, section 12.5.3); weights only exclude. */
function chooseEncoding(header: string | string[] | undefined): Encoding | undefined {
  const taken = String(header ?? '')
    .toLowerCase()
    .split(',')
    .map((part) => part.trim())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.replace(/\s*;.*$/, ''))
  return (['br', 'gzip'] as const).find((encoding) => taken.includes(encoding))
}
