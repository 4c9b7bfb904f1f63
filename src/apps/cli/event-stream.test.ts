import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEventStream } from './event-stream.ts'

const text =
  ': beat\n\nid: 1\nevent: started\ndata: {"ä":1}\n\ndata: a\r\ndata:b\r\n\r\nid: 9\n\ndata: cut'

test('readEventStream() reads messages however the bytes are cut', async () => {
  const bytes = new TextEncoder().encode(text)
  for (const step of [1, 2, 7, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
      bytes.slice(index * step, (index + 1) * step),
    )
    const messages = await Array.fromAsync(readEventStream(asStream(chunks)))
    assert.deepEqual(
      messages,
      [
        { id: '1', event: 'started', data: '{"ä":1}' },
        { event: 'message', data: 'a\nb' },
      ],
      `in steps of ${step}`,
    )
  }
})

test('readEventStream() gives up a message without end', async () => {
  const endless = Array.from({ length: 100 }, () => new Uint8Array(100_000).fill(120))
  await assert.rejects(Array.fromAsync(readEventStream(asStream(endless))), /without end/)
})

async function* asStream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
