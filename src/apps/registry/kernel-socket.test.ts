import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { TLSSocket } from 'node:tls'
import { idleDescriptor, notePassed, readSentBytes } from './kernel-socket.ts'

async function connectPair(context: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = (await once(server, 'connection')) as [Socket]
  context.after(() => {
    for (const socket of [near, far]) socket.on('error', () => {}).destroy()
    server.close()
  })
  return { near, far }
}

test('idleDescriptor() knows the number of a connection that has nothing to write', async (context) => {
  const { near } = await connectPair(context)
  assert.ok(
    idleDescriptor(near)! > 2,
    'Node tells no longer what a connection is for the kernel: blobs are copied',
  )
})

test('idleDescriptor() knows none while anything waits to be written', async (context) => {
  const { near } = await connectPair(context)
  near.cork()
  near.write('x')
  assert.equal(idleDescriptor(near), undefined)
  near.uncork()
  assert.ok(idleDescriptor(near)! > 2)
  // More than the kernel takes from a peer that does not read.
  near.write(Buffer.alloc(50_000_000))
  assert.equal(idleDescriptor(near), undefined)
})

test('idleDescriptor() knows none of what is encrypted or has ended', async (context) => {
  const { near } = await connectPair(context)
  assert.equal(idleDescriptor(null), undefined)
  assert.equal(idleDescriptor(new TLSSocket(near).on('error', () => {})), undefined)
  near.destroy()
  assert.equal(idleDescriptor(near), undefined)
})

test('readSentBytes() counts what Node has sent and what it has not', async (context) => {
  const { near } = await connectPair(context)
  near.write('four')
  assert.equal(readSentBytes(near), 4)
  notePassed(near, 10)
  notePassed(near, 20)
  assert.equal(readSentBytes(near), 34)
})
