import { strict as assert } from 'node:assert'
import { Buffer } from 'node:buffer'

/**
 * What one archive entry says before its contents. Paths and targets are bytes (Latin-1); a path
 * has no leading slash and, for directories, no trailing one.
 */
export type TarHeader =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      readonly sizeBytes: number
    }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }

/** Archives are made of blocks of this size (POSIX pax, "ustar Interchange Format"). */
export const blockBytes = 512

/**
 * Ends an archive: two zero blocks, as POSIX asks. It is not filled up to a record of 10 KiB, which
 * only tapes need.
 */
export const endOfArchive: Uint8Array = new Uint8Array(2 * blockBytes)

// One second after the epoch, as Nix sets it on all of its store: some programs take 0 for "unknown".
const modificationTime = 1

// Offset and size of the fields, in the order of POSIX.
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const
type Field = keyof typeof fields

const typeFlags = { file: '0', symlink: '2', directory: '5', pax: 'x' } as const
const largestSizeInUstar = 0o77777777777
const symlinkMode = 0o777

const plainBlock = makePlainBlock()

/**
 * The header blocks of an entry: ustar, and before it a PAX extended header with the values that
 * ustar cannot hold (a long path or target, 8 GiB and more). PAX values are the bytes as they are,
 * which GNU tar, Go and Python give back unchanged even when they are not UTF-8.
 */
export function formatTarHeader(header: TarHeader): Uint8Array {
  const name = header.kind === 'directory' ? `${header.path}/` : header.path
  const target = header.kind === 'symlink' ? header.target : ''
  const sizeBytes = header.kind === 'file' ? header.sizeBytes : 0
  const placed = placeName(name)
  assertBytes(name)
  assertBytes(target)

  const records: string[] = []
  if (placed === undefined) records.push(formatPaxRecord('path', name))
  if (target.length > fields.linkName[1]) records.push(formatPaxRecord('linkpath', target))
  if (sizeBytes > largestSizeInUstar) records.push(formatPaxRecord('size', String(sizeBytes)))

  const block = formatBlock({
    ...(placed ?? { name: name.slice(0, fields.name[1]), prefix: '' }),
    mode: header.kind === 'symlink' ? symlinkMode : header.mode,
    sizeBytes: sizeBytes > largestSizeInUstar ? 0 : sizeBytes,
    type: typeFlags[header.kind],
    linkName: target.slice(0, fields.linkName[1]),
  })
  return records.length === 0 ? block : Buffer.concat([formatPaxHeader(records.join('')), block])
}

/** How many zero bytes follow contents of a size. */
export function paddingBytes(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes
}

function formatPaxHeader(records: string): Buffer {
  const block = formatBlock({
    name: 'PaxHeader',
    prefix: '',
    mode: 0o444,
    sizeBytes: records.length,
    type: typeFlags.pax,
    linkName: '',
  })
  const padding = Buffer.alloc(paddingBytes(records.length))
  return Buffer.concat([block, Buffer.from(records, 'latin1'), padding])
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function formatPaxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length
  }
  return `${length}${rest}`
}

/** The path as ustar's name and prefix, which a slash joins; `undefined` when it does not fit. */
function placeName(path: string): { name: string; prefix: string } | undefined {
  const [, nameBytes] = fields.name
  const [, prefixBytes] = fields.prefix
  if (path.length <= nameBytes) return { name: path, prefix: '' }
  // The leftmost slash that leaves a name short enough; the name may not be empty.
  const slash = path.indexOf('/', path.length - nameBytes - 1)
  if (slash < 1 || slash > prefixBytes || slash === path.length - 1) return undefined
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) }
}

function formatBlock(values: {
  readonly name: string
  readonly prefix: string
  readonly mode: number
  readonly sizeBytes: number
  readonly type: string
  readonly linkName: string
}): Buffer {
  const block = Buffer.from(plainBlock.bytes)
  let sum = plainBlock.sum
  // By hand: a call for each field takes several times as long, and archives have many small files.
  const put = (field: Field, text: string) => {
    const [offset] = fields[field]
    for (let index = 0; index < text.length; index += 1) {
      const byte = text.charCodeAt(index)
      block[offset + index] = byte
      sum += byte
    }
  }
  put('name', values.name)
  put('mode', formatOctal('mode', values.mode))
  put('size', formatOctal('size', values.sizeBytes))
  put('type', values.type)
  put('linkName', values.linkName)
  put('prefix', values.prefix)
  // Ends in NUL and space by tradition.
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, fields.checksum[0], 'latin1')
  return block
}

/** What all blocks have in common. The checksum counts its own field as spaces. */
function makePlainBlock(): { readonly bytes: Buffer; readonly sum: number } {
  const bytes = Buffer.alloc(blockBytes)
  const put = (field: Field, text: string) => bytes.write(text, fields[field][0], 'latin1')
  put('uid', formatOctal('uid', 0))
  put('gid', formatOctal('gid', 0))
  put('mtime', formatOctal('mtime', modificationTime))
  put('magic', 'ustar\u000000')
  put('checksum', ' '.repeat(fields.checksum[1]))
  return { bytes, sum: bytes.reduce((sum, byte) => sum + byte, 0) }
}

/** Octal digits that fill the field but for its closing NUL. */
function formatOctal(field: Field, value: number): string {
  return value.toString(8).padStart(fields[field][1] - 1, '0')
}

function assertBytes(text: string): void {
  // eslint-disable-next-line no-control-regex -- NUL ends a field, and no file name can hold it
  assert.ok(!/[\0\u0100-\uffff]/.test(text), `${JSON.stringify(text)} is bytes without NUL`)
}
