import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { SendBuffers } from './send-buffers.ts'
import { sendFile } from './send-file.ts'

const bytes = randomBytes(5_000_000)

interface FileOptions {
  /** As a disk that gives this much at a time. */
  readonly mostReadBytes?: number
  /** Where reads find the end. */
  readonly end?: number
  readonly isUnchanged?: () => boolean
  /** Whether reads wait. */
  readonly waits?: boolean
}

function openFile(options: FileOptions = {}): BlobFile {
  const { mostReadBytes = bytes.length, end = bytes.length, waits = true } = options
  const copy = (into: Uint8Array, position: number) => {
    const length = Math.max(0, Math.min(into.length, mostReadBytes, end - position))
    into.set(bytes.subarray(position, position + length))
    return length
  }
  return {
    sizeBytes: bytes.length,
    identity: '',
    isSettled: true,
    isUnchanged: options.isUnchanged ?? (() => true),
    read: waits
      ? async (into, position) => {
          await new Promise(setImmediate)
          return copy(into, position)
        }
      : copy,
    close: async () => {},
  }
}

/** A server that sends a part of the file to whoever comes, and what became of the first sending. */
async function serve(
  context: TestContext,
  file: BlobFile,
  range = { start: 0, end: bytes.length - 1 },
) {
  const sending = Promise.withResolvers<string>()
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Length': range.end - range.start + 1 })
    sendFile(response, file, range, new SendBuffers()).then(
      () => sending.resolve('sent'),
      (error: Error) => {
        response.destroy()
        sending.resolve(error.message)
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, outcome: sending.promise }
}

async function ask(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  return socket
}

const ranges: ReadonlyArray<readonly [start: number, end: number]> = [
  [0, bytes.length - 1],
  [0, 0],
  [0, -1],
  [17, 70_000],
  [524_288, 1_048_575],
  [1, 4_999_998],
  [4_999_999, 4_999_999],
]
for (const [start, end] of ranges)
  for (const options of [{}, { waits: false }, { mostReadBytes: 100_001 }])
    test(`sendFile() sends bytes ${start} to ${end}: ${JSON.stringify(options)}`, async (context) => {
      const { url, outcome } = await serve(context, openFile(options), { start, end })
      const answer = await fetch(url)
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(start, end + 1)))
      assert.equal(await outcome, 'sent')
    })

test('sendFile() keeps the last bytes back when the file was touched', async (context) => {
  for (const end of [bytes.length - 1, 1000]) {
    const file = openFile({ isUnchanged: () => false })
    const { url, outcome } = await serve(context, file, { start: 0, end })
    const received = await buffer(await ask(url)).catch(() => Buffer.alloc(0))
    assert.ok(received.length < end)
    assert.match(await outcome, /was changed while it was sent/)
  }
})

test('sendFile() fails when the file ends too early', async (context) => {
  const { url, outcome } = await serve(context, openFile({ end: 3_000_000 }))
  await buffer(await ask(url)).catch(() => Buffer.alloc(0))
  assert.match(await outcome, /was changed while it was sent/)
})

test('sendFile() ends when the client hangs up, while it reads or writes', async (context) => {
  for (const isReading of [true, false]) {
    const reading = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const file: BlobFile = {
      ...openFile({ waits: false }),
      async read(into, position) {
        if (position > 1_000_000 && isReading) {
          reading.resolve()
          await held.promise
        }
        return openFile({ waits: false }).read(into, position)
      },
    }
    const { url, outcome } = await serve(context, file)
    const socket = await ask(url)
    if (isReading) socket.resume()
    await (isReading ? reading.promise : once(socket, 'readable'))
    socket.resetAndDestroy()
    held.resolve()
    assert.equal(await outcome, 'the client hung up')
  }
})

test('sendFile() waits for a client that takes nothing', async (context) => {
  let mostRead = 0
  const file: BlobFile = {
    ...openFile(),
    sizeBytes: 1_000_000_000,
    async read(into, position) {
      mostRead = Math.max(mostRead, position + into.length)
      into.fill(1)
      return into.length
    },
  }
  const { url, outcome } = await serve(context, file, { start: 0, end: 999_999_999 })
  const socket = await ask(url)
  await once(socket, 'readable')
  for (let turn = 0; turn < 1000; turn += 1) await new Promise(setImmediate)
  // What the two sockets take, and the pieces of memory: 10 MB or so.
  assert.ok(mostRead < 100_000_000, `${mostRead}`)
  socket.destroy()
  assert.equal(await outcome, 'the client hung up')
})
