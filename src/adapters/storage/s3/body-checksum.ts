import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * With what a server checks that a body has arrived as it was sent. CRC-32 is what AWS asks for and
 * stores; servers that do not know its header know the MD5 that S3 began with.
 */
export type ChecksumKind = 'crc32' | 'md5'

/** In the words of a request to S3. */
export type BodyChecksum = { readonly ChecksumCRC32: string } | { readonly ContentMD5: string }

/**
 * The bytes are read for it before they are sent. The SDK would send them in chunks with the checksum
 * behind, an encoding that many servers other than AWS do not read.
 */
export async function checksumBody(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  kind: ChecksumKind,
): Promise<BodyChecksum> {
  if (kind === 'md5') {
    const md5 = createHash('md5')
    for await (const chunk of chunks) md5.update(chunk)
    return { ContentMD5: md5.digest('base64') }
  }
  let crc = 0
  for await (const chunk of chunks) crc = crc32(chunk, crc)
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc)
  return { ChecksumCRC32: bytes.toString('base64') }
}
