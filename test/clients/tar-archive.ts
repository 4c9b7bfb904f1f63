export type ArchiveEntry = {
  /** Without slashes at either end. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink' | 'hard-link' | 'other'
  /** Of links: as written. */
  readonly target: string
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

const blockBytes = 512

const kinds = new Map<string, ArchiveEntry['kind']>([
  ['0', 'file'],
  ['\0', 'file'],
  ['1', 'hard-link'],
  ['2', 'symlink'],
  ['5', 'directory'],
])

/**
 * The entries of a tar archive, read by rules of POSIX (ustar, pax) and GNU (long names) alone: the
 * product's own code for archives has no part in judging its archives.
 */
export function readArchive(archive: Buffer): ArchiveEntry[] {
  const entries: ArchiveEntry[] = []
  const overrides = new Map<string, string>()
  for (let offset = 0; offset + blockBytes <= archive.length;) {
    const header = archive.subarray(offset, offset + blockBytes)
    if (header.every((byte) => byte === 0)) return entries
    checkHeader(header, offset)
    const type = header.toString('latin1', 156, 157)
    const sizeBytes = Number(overrides.get('size') ?? readOctal(header, 124, 12))
    const content = archive.subarray(offset + blockBytes, offset + blockBytes + sizeBytes)
    if (content.length < sizeBytes)
      throw new Error(`the archive ends within the entry at ${offset}`)
    if (type === 'x') readPaxRecords(content, overrides)
    else if (type === 'L') overrides.set('path', readText(content, 0, content.length))
    else if (type === 'K') overrides.set('linkpath', readText(content, 0, content.length))
    else if (type !== 'g') {
      entries.push({
        path: (overrides.get('path') ?? readName(header)).replaceAll(/^\.?\/+|\/+$/g, ''),
        kind: kinds.get(type) ?? 'other',
        target: overrides.get('linkpath') ?? readText(header, 157, 100),
        sizeBytes,
        mode: readOctal(header, 100, 8),
        uid: readOctal(header, 108, 8),
        gid: readOctal(header, 116, 8),
      })
      overrides.clear()
    }
    offset += blockBytes * (1 + Math.ceil(sizeBytes / blockBytes))
  }
  throw new Error('the archive has no end mark')
}

function checkHeader(header: Buffer, offset: number): void {
  const written = readOctal(header, 148, 8)
  // The checksum counts its own field as blanks.
  const blank = Buffer.from(header).fill(' ', 148, 156)
  const actual = blank.reduce((sum, byte) => sum + byte, 0)
  if (written !== actual) throw new Error(`the header at ${offset} has a wrong checksum`)
}

/** Records are `LENGTH KEY=VALUE\n`, and the length counts bytes. */
function readPaxRecords(content: Buffer, into: Map<string, string>): void {
  for (let offset = 0; offset < content.length;) {
    const blank = content.indexOf(' ', offset)
    const end = offset + Number(content.toString('latin1', offset, blank))
    const record = content.toString('utf8', blank + 1, end - 1)
    const equals = record.indexOf('=')
    if (blank < 0 || equals < 0 || !(end > offset)) throw new Error('a pax record is malformed')
    into.set(record.slice(0, equals), record.slice(equals + 1))
    offset = end
  }
}

function readName(header: Buffer): string {
  const name = readText(header, 0, 100)
  // GNU's own headers use the place of the prefix for times.
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isUstar ? readText(header, 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function readOctal(header: Buffer, offset: number, length: number): number {
  return Number.parseInt(readText(header, offset, length).trim() || '0', 8)
}

function readText(bytes: Buffer, offset: number, length: number): string {
  const end = bytes.indexOf(0, offset)
  const limit = offset + length
  return bytes.toString('utf8', offset, end < 0 || end > limit ? limit : end)
}
