import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'

/** One entry as a reader of ustar and PAX archives sees it. */
export interface ReadEntry {
  /** `0` file, `2` symbolic link, `5` directory. */
  readonly type: string
  readonly path: string
  readonly mode: number
  readonly owner: string
  readonly modificationTime: number
  readonly sizeBytes: number
  readonly target: string
  readonly contents: Buffer
}

/**
 * Reads an archive strictly, as an oracle for what writes one: written from POSIX and on purpose
 * without the writer's code. Throws on anything that is not exactly as it should be.
 */
export function readArchive(archive: Uint8Array): ReadEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length)
  assert.equal(bytes.length % 512, 0, 'an archive consists of whole blocks')
  const entries: ReadEntry[] = []
  let records = new Map<string, string>()
  let offset = 0
  for (;;) {
    const block = bytes.subarray(offset, offset + 512)
    assert.equal(block.length, 512, 'an archive ends with two zero blocks')
    offset += 512
    if (block.every((byte) => byte === 0)) break
    const header = readHeader(block)
    const sizeBytes = Number(records.get('size') ?? header.sizeBytes)
    const contents = bytes.subarray(offset, offset + sizeBytes)
    assert.equal(contents.length, sizeBytes, `${header.path} is whole`)
    const end = offset + Math.ceil(sizeBytes / 512) * 512
    assert.ok(bytes.subarray(offset + sizeBytes, end).every((byte) => byte === 0))
    offset = end
    if (header.type === 'x') {
      records = readRecords(contents.toString('latin1'))
      continue
    }
    const path = records.get('path') ?? header.path
    const target = records.get('linkpath') ?? header.target
    entries.push({ ...header, path, target, sizeBytes, contents })
    records = new Map()
  }
  assert.equal(records.size, 0, 'an extended header is followed by its entry')
  assert.ok(bytes.subarray(offset).length === 512 && bytes.subarray(offset).every((b) => b === 0))
  return entries
}

/** The header block at the start of bytes; checks its checksum, magic and that no user is named. */
export function readHeader(bytes: Buffer): Omit<ReadEntry, 'contents'> {
  const block = bytes.subarray(0, 512)
  const text = (start: number, end: number) =>
    block.toString('latin1', start, end).replace(/\0.*$/s, '')
  const octal = (start: number, end: number) => {
    assert.match(block.toString('latin1', start, end), /^[0-7]+[\0 ]+$/)
    return Number.parseInt(text(start, end), 8)
  }
  const sum = block.reduce(
    (total, byte, position) => total + (position >= 148 && position < 156 ? 0x20 : byte),
    0,
  )
  assert.equal(octal(148, 156), sum, 'the checksum is that of the block')
  assert.equal(block.toString('latin1', 257, 265), 'ustar\u000000')
  assert.equal(text(265, 329), '', 'users and groups have no names')
  const prefix = text(345, 500)
  return {
    type: text(156, 157),
    path: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    mode: octal(100, 108),
    owner: `${octal(108, 116)}:${octal(116, 124)}`,
    sizeBytes: octal(124, 136),
    modificationTime: octal(136, 148),
    target: text(157, 257),
  }
}

/** `<length> <key>=<value>\n`, again and again. */
export function readRecords(text: string): Map<string, string> {
  const records = new Map<string, string>()
  for (let offset = 0; offset < text.length;) {
    const [digits] = /^\d+(?= )/.exec(text.slice(offset)) ?? assert.fail('a record has a length')
    const record = text.slice(offset, offset + Number(digits))
    const [, key, value] = /^\d+ ([^=]+)=(.*)\n$/s.exec(record) ?? assert.fail(record)
    records.set(key!, value!)
    offset += record.length
  }
  return records
}
