import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checksumBody } from './body-checksum.ts'

// The check values of the CRC catalogue and of RFC 1321, section A.5.
test('checksumBody() gives CRC-32 in the order of the network', async () => {
  const wanted = { ChecksumCRC32: Buffer.from('cbf43926', 'hex').toString('base64') }
  assert.deepEqual(await checksumBody([Buffer.from('123456789')], 'crc32'), wanted)
  assert.deepEqual(await checksumBody([Buffer.from('1234'), Buffer.from('56789')], 'crc32'), wanted)
  assert.deepEqual(await checksumBody([], 'crc32'), { ChecksumCRC32: 'AAAAAA==' })
})

test('checksumBody() gives MD5 for servers that know nothing else', async () => {
  const wanted = Buffer.from('900150983cd24fb0d6963f7d28e17f72', 'hex').toString('base64')
  assert.deepEqual(await checksumBody([Buffer.from('a'), Buffer.from('bc')], 'md5'), {
    ContentMD5: wanted,
  })
})
