import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { resumableUploads } from './resumable-uploads.ts'
import { bodyOf } from './upload-body.ts'

const address = new URL('http://bucket.example/upload')
const never = new AbortController().signal

for (const [range, sent] of [
  [undefined, ['bytes */10', 'bytes 0-9/10']],
  ['bytes=0-3', ['bytes */10', 'bytes 4-9/10']],
  ['bytes=0-8', ['bytes */10', 'bytes 9-9/10']],
  ['bytes=0-9', ['bytes */10']],
] as const)
  test(`send() goes on after ${range ?? 'nothing'}`, async () => {
    const ranges: (string | undefined)[] = []
    const uploads = resumableUploads(async ({ headers }) => {
      ranges.push(headers['content-range'])
      const status = ranges.length === 1 ? 308 : 200
      const answer = { headers: { range } } as unknown as IncomingMessage
      return { answer, text: '{"generation":"1","size":"10"}', status }
    }, address.href)
    const kept = await uploads.send(address, bodyOf(Buffer.alloc(10)), true, never)
    assert.deepEqual(ranges, sent)
    // One that cannot go on is begun anew.
    assert.equal(kept?.sizeBytes, sent.length === 1 ? undefined : 10)
  })
