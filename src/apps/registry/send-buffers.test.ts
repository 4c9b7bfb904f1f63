import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SendBuffers, type BufferPair } from './send-buffers.ts'

test('lend() gives large pieces to some and small ones to the others', async () => {
  const buffers = new SendBuffers()
  const pairs: BufferPair[] = []
  const end = Promise.withResolvers<void>()
  const hold = (pair: BufferPair) => {
    pairs.push(pair)
    return end.promise
  }
  const senders = Array.from({ length: 20 }, () => buffers.lend(hold))
  const sizes = pairs.flatMap((pair) => pair.map(({ length }) => length / 1024))
  assert.deepEqual(sizes, [...Array(32).fill(512), ...Array(8).fill(64)])
  assert.equal(new Set(pairs.flat()).size, 40, 'nobody shares memory')
  end.resolve()
  await Promise.all(senders)
  await buffers.lend(async ([first]) => assert.equal(first.length, 512 * 1024))
})

test('lend() takes pieces back from who fails, for the next one', async () => {
  const buffers = new SendBuffers()
  const lent: BufferPair[] = []
  const fail = async (pair: BufferPair): Promise<void> => {
    lent.push(pair)
    throw new Error('the client is gone')
  }
  await assert.rejects(buffers.lend(fail), /the client is gone/)
  await assert.rejects(buffers.lend(fail), /the client is gone/)
  assert.equal(lent[0], lent[1])
  await assert.rejects(buffers.lendSmall(fail), /the client is gone/)
  await assert.rejects(buffers.lendSmall(fail), /the client is gone/)
  assert.equal(lent[2], lent[3])
})
