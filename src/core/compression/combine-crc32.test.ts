import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { assert as assertProperty, property, uint8Array } from 'fast-check'
import { combineCrc32 } from './combine-crc32.ts'

const bytes = uint8Array({ maxLength: 3000, size: 'max' })

test('combineCrc32() gives the CRC of both parts together', () => {
  assertProperty(
    property(bytes, bytes, (first, second) => {
      assert.equal(
        combineCrc32(crc32(first), crc32(second), second.length),
        crc32(second, crc32(first)),
      )
    }),
  )
})

test('combineCrc32() takes a second part that is larger than 4 GiB', () => {
  // 2^32 + 5 zero bytes, once in one step and once in pieces that are checked above.
  const pieceBytes = 2 ** 26
  const zeros = crc32(Buffer.alloc(pieceBytes))
  let rest = crc32(Buffer.alloc(5))
  for (let sizeBytes = 5; sizeBytes < 2 ** 32; sizeBytes += pieceBytes)
    rest = combineCrc32(rest, zeros, pieceBytes)
  const first = crc32('first')
  let stepped = combineCrc32(first, crc32(Buffer.alloc(5)), 5)
  for (let piece = 0; piece < 2 ** 6; piece += 1) stepped = combineCrc32(stepped, zeros, pieceBytes)
  assert.equal(combineCrc32(first, rest, 2 ** 32 + 5), stepped)
})
