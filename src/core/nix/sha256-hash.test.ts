import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseSha256Hash } from './sha256-hash.ts'

// Of one directory: nix-hash --type sha256, --base32, and --to-base64.
const hex = '829cec0e9e960aeed1cbb2b3fe0495ca0ec7973a485996123e7ce627fadff366'
const base32 = '0rpkvzx2grkw7q99cna87abwf3najl2gxcxjrg8yw2lnkq7fr742'
const base64 = Buffer.from(hex, 'hex').toString('base64')

test('parseSha256Hash() reads every spelling of one hash', () => {
  for (const text of [
    `sha256-${base64}`,
    `sha256:${base64}`,
    `sha256:${hex}`,
    `sha256:${base32}`,
  ]) {
    assert.equal(parseSha256Hash(text), hex, text)
  }
})

test('parseSha256Hash() refuses what is no SHA-256 hash', () => {
  const texts = [
    '',
    hex,
    `sha512-${base64}`,
    `sha256-${hex}`,
    `sha256:${hex}0`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:z${base32.slice(1)}`,
    `sha256-${base64} `,
  ]
  for (const text of texts) assert.equal(parseSha256Hash(text), undefined, text)
})
