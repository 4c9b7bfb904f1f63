import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEventStream } from './event-stream.ts'

const stream =
  ': hello\n\nid: 7\nevent: log\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\ndata:x\n\nid: 8\ndata: cut'
const messages = [
  { id: '7', kind: 'log', data: '{"a":\n1}' },
  { id: '', kind: 'message', data: 'x' },
]

for (const length of [1, 2, 7, stream.length]) {
  test(`readEventStream() reads a stream in pieces of ${length}`, async () => {
    assert.deepEqual(await Array.fromAsync(readEventStream(inPieces(stream, length))), messages)
  })
}

async function* inPieces(text: string, length: number): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += length) yield text.slice(start, start + length)
}
