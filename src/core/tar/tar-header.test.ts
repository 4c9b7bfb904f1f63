import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readArchive, readHeader, readRecords } from '#test/archives/read-archive.ts'
import { endOfArchive, formatTarHeader, paddingBytes, type TarHeader } from './tar-header.ts'

const typeFlags = { file: '0', symlink: '2', directory: '5' }

test('formatTarHeader() writes what a reader gives back, for any names of up to 4,000 bytes', () => {
  fc.assert(
    fc.property(header(), (written) => {
      const archive = Buffer.concat([formatTarHeader(written), endOfArchive])
      const [entry, ...more] = readArchive(archive)
      assert.deepEqual(more, [])
      assert.deepEqual(entry, {
        type: typeFlags[written.kind],
        path: written.kind === 'directory' ? `${written.path}/` : written.path,
        mode: written.kind === 'symlink' ? 0o777 : written.mode,
        target: written.kind === 'symlink' ? written.target : '',
        owner: '0:0',
        modificationTime: 1,
        sizeBytes: 0,
        contents: Buffer.alloc(0),
      })
    }),
    { numRuns: 500 },
  )
})

test('formatTarHeader() keeps sizes beyond the 8 GiB that ustar holds', () => {
  const sizes = fc.oneof(
    fc.nat({ max: 1000 }),
    fc.integer({ min: 8 * 2 ** 30 - 2, max: 8 * 2 ** 30 + 2 }),
    fc.maxSafeNat(),
  )
  fc.assert(
    fc.property(sizes, (sizeBytes) => {
      const bytes = Buffer.from(
        formatTarHeader({ kind: 'file', path: 'a', mode: 0o444, sizeBytes }),
      )
      const last = readHeader(bytes.subarray(-512))
      if (sizeBytes < 8 * 2 ** 30) {
        assert.equal(bytes.length, 512)
        assert.equal(last.sizeBytes, sizeBytes)
      } else {
        const extended = readHeader(bytes)
        const records = bytes.toString('latin1', 512, 512 + extended.sizeBytes)
        assert.deepEqual(readRecords(records), new Map([['size', String(sizeBytes)]]))
      }
    }),
  )
})

test('formatTarHeader() takes PAX only where ustar cannot hold the value', () => {
  const name = (length: number) => 'n'.repeat(length)
  checkBlocks({ kind: 'file', path: name(100), mode: 0o444, sizeBytes: 0 }, 1)
  checkBlocks({ kind: 'file', path: name(101), mode: 0o444, sizeBytes: 0 }, 3)
  checkBlocks({ kind: 'file', path: `${name(155)}/${name(100)}`, mode: 0o444, sizeBytes: 0 }, 1)
  checkBlocks({ kind: 'file', path: `${name(156)}/${name(100)}`, mode: 0o444, sizeBytes: 0 }, 3)
  checkBlocks({ kind: 'directory', path: name(99), mode: 0o555 }, 1)
  checkBlocks({ kind: 'directory', path: name(100), mode: 0o555 }, 3)
  checkBlocks({ kind: 'directory', path: `${name(155)}/${name(99)}`, mode: 0o555 }, 1)
  checkBlocks({ kind: 'directory', path: `${name(155)}/${name(100)}`, mode: 0o555 }, 3)
  checkBlocks({ kind: 'symlink', path: 'a', target: name(100) }, 1)
  checkBlocks({ kind: 'symlink', path: 'a', target: name(101) }, 3)
})

test('formatTarHeader() counts the digits of a record in its length', () => {
  // 101 bytes of path make a record of 99 bytes without digits and beyond; the length grows a digit.
  for (const length of [101, 990, 991, 992, 993, 994]) {
    const path = 'n'.repeat(length)
    const header = Buffer.from(formatTarHeader({ kind: 'symlink', path, target: 'a' }))
    const { sizeBytes } = readHeader(header)
    const records = header.toString('latin1', 512, 512 + sizeBytes)
    assert.deepEqual(readRecords(records), new Map([['path', path]]))
  }
})

test('formatTarHeader() refuses NUL and what is no byte', () => {
  for (const path of ['a\0b', 'a\u0100']) {
    assert.throws(() => formatTarHeader({ kind: 'directory', path, mode: 0o555 }), /bytes/)
  }
})

test('formatTarHeader() is read by GNU tar', () => {
  const long = `${'d'.repeat(200)}/${'n'.repeat(200)}`
  const file: TarHeader = { kind: 'file', path: long, mode: 0o555, sizeBytes: 5 }
  const archive = Buffer.concat([
    formatTarHeader({ kind: 'directory', path: 'caf\xc3\xa9', mode: 0o555 }),
    formatTarHeader(file),
    Buffer.from('hello'),
    Buffer.alloc(paddingBytes(5)),
    formatTarHeader({ kind: 'symlink', path: 'link', target: `/${long}` }),
    endOfArchive,
  ])
  const listing = spawnSync(
    'tar',
    ['--list', '--verbose', '--numeric-owner', '--full-time', '--utc', '--quoting-style=literal'],
    { input: archive, encoding: 'latin1' },
  )
  assert.equal(listing.stderr, '')
  assert.deepEqual(listing.stdout.trimEnd().split('\n'), [
    'dr-xr-xr-x 0/0               0 1970-01-01 00:00:01 caf\xc3\xa9/',
    `-r-xr-xr-x 0/0               5 1970-01-01 00:00:01 ${long}`,
    `lrwxrwxrwx 0/0               0 1970-01-01 00:00:01 link -> /${long}`,
  ])
})

test('paddingBytes() fills the last block', () => {
  assert.deepEqual([0, 1, 511, 512, 513].map(paddingBytes), [0, 511, 1, 0, 511])
})

function checkBlocks(header: TarHeader, blocks: number): void {
  assert.equal(formatTarHeader(header).length / 512, blocks)
}

/** A path of 1 to 4,000 bytes whose components are any bytes but NUL and slash. */
function pathBytes(): fc.Arbitrary<string> {
  const byte = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f)
  const name = fc
    .array(byte, { minLength: 1, maxLength: 255, size: 'max' })
    .map((codes) => String.fromCharCode(...codes))
  return fc
    .array(name, { minLength: 1, maxLength: 30, size: 'max' })
    .map((names) => names.join('/').slice(0, 4000).replace(/\/$/, ''))
}

function header(): fc.Arbitrary<TarHeader> {
  const mode = fc.integer({ min: 0, max: 0o7777 })
  return fc.oneof(
    fc.record({ kind: fc.constant('directory'), path: pathBytes(), mode }),
    fc.record({ kind: fc.constant('file'), path: pathBytes(), mode, sizeBytes: fc.constant(0) }),
    fc.record({ kind: fc.constant('symlink'), path: pathBytes(), target: pathBytes() }),
  )
}
