import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cancelled, ChunkSender } from './chunk-sender.ts'
import { cancelCell, creditCell } from './worker-messages.ts'

const mebibyte = 1024 * 1024

test('ChunkSender sends chunks of 1 MiB and the rest, each for one credit', () => {
  const { control, sent, sender } = start(5)
  for (const size of [1, mebibyte, 2 * mebibyte, 3]) sender.append(new Uint8Array(size).fill(size))
  sender.flush()
  assert.deepEqual(
    sent.map(({ length }) => length),
    [mebibyte, mebibyte, mebibyte, 4],
  )
  assert.deepEqual([...sent.at(-1)!], [0, 3, 3, 3])
  assert.equal(sender.sentBytes, 3 * mebibyte + 4)
  assert.equal(control[creditCell], 1)
})

test('ChunkSender sends nothing that is empty', () => {
  const { control, sent, sender } = start(1)
  sender.append(new Uint8Array(0))
  sender.flush()
  assert.deepEqual(sent, [])
  assert.equal(control[creditCell], 1)
})

test('ChunkSender ends with Cancelled instead of waiting for credit', () => {
  const { control, sent, sender } = start(0)
  sender.append(new Uint8Array(1))
  control[cancelCell] = 1
  assert.throws(() => sender.flush(), Cancelled)
  assert.deepEqual(sent, [])
})

function start(credit: number) {
  const control = new Int32Array(new SharedArrayBuffer(8))
  control[creditCell] = credit
  const sent: Uint8Array[] = []
  const sender = new ChunkSender(control, {
    take: () => new Uint8Array(mebibyte),
    send: (bytes) => void sent.push(bytes),
  })
  return { control, sent, sender }
}
