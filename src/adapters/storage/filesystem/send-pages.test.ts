import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { loadSendPages } from './send-pages.ts'

const hasKernel = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const options = hasKernel ? {} : { skip: 'only Linux on x64 and arm64 has this call' }
const bytes = randomBytes(100_000)

async function prepare(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-pages-'))
  const path = join(directory, 'file')
  await writeFile(path, bytes)
  const file = await open(path)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket & { _handle: { fd: number } }]
  context.after(async () => {
    for (const end of [client, socket]) end.on('error', () => {}).destroy()
    server.close()
    await file.close()
    await rm(directory, { recursive: true })
  })
  const sendPages = loadSendPages()
  assert.ok(sendPages, 'this Node cannot call the kernel any more: blobs are copied')
  const send = (position: number, mostBytes: number) =>
    sendPages(socket._handle.fd, file.fd, position, mostBytes)
  return { send, client, socket }
}

// First, because Node warns once in a process.
test('operators read no warning of it', options, async (context) => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  context.after(() => process.off('warning', note))
  assert.ok(loadSendPages())
  await new Promise(setImmediate)
  assert.deepEqual(warnings, [])
})

test('the kernel sends any part of a file', options, async (context) => {
  const { send, client, socket } = await prepare(context)
  assert.equal(send(99_000, 900), 900)
  assert.equal(send(5, 10), 10)
  assert.equal(send(99_990, 1000), 10, 'up to the end of the file')
  assert.equal(send(100_000, 1000), 0)
  socket.end()
  const received = Buffer.concat(await client.toArray())
  const parts = [[99_000, 99_900] as const, [5, 15] as const, [99_990, 100_000] as const]
  assert.ok(received.equals(Buffer.concat(parts.map(([from, to]) => bytes.subarray(from, to)))))
})

test('the kernel takes no more than there is room for', options, async (context) => {
  const { send } = await prepare(context)
  let last = 0
  let sentBytes = 0
  do {
    last = send(0, 100_000)
    sentBytes += last
  } while (last > 0 && sentBytes < 1_000_000_000)
  assert.equal(last, 0)
})

test('the kernel sends nothing where it cannot', options, () => {
  assert.equal(loadSendPages()?.(-1, -1, 0, 10), 0)
})
