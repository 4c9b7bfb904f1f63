import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { loadSendPages } from '#adapters/storage/filesystem/send-pages.ts'
import type { BlobFile } from '#engine/ports/blob-store.ts'
import { readSentBytes } from './kernel-socket.ts'
import { SendBuffers } from './send-buffers.ts'
import { sendFile } from './send-file.ts'

const bytes = randomBytes(5_000_000)
const directory = mkdtempSync(join(tmpdir(), 'nixery-sent-'))
after(() => rmSync(directory, { recursive: true }))
writeFileSync(join(directory, 'file'), bytes)
const descriptor = openSync(join(directory, 'file'), 'r')
const sendPages = loadSendPages()
const needsKernel =
  sendPages === undefined ? { skip: 'the kernel of this machine cannot send files' } : {}

// By what the kernel says when it is asked to send.
const passes: Readonly<Record<string, NonNullable<BlobFile['pass']>>> = {
  sends: (socket, position, most) => sendPages?.(socket, descriptor, position, most),
  'sends little': (socket, position, most) =>
    sendPages?.(socket, descriptor, position, Math.min(most, 5000)),
  'cannot send': () => 0,
  'waits for the disk': () => undefined,
  'waits now and then': (socket, position, most) =>
    position % 3 === 0 ? undefined : sendPages?.(socket, descriptor, position, most),
}

interface FileOptions {
  /** As a disk that gives this much at a time. */
  readonly mostReadBytes?: number
  /** Where reads find the end. */
  readonly end?: number
  readonly isUnchanged?: () => boolean
  /** Whether reads wait. */
  readonly waits?: boolean
  readonly passing?: string
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
    ...(options.passing !== undefined && { pass: passes[options.passing]! }),
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

for (const [start, end] of ranges)
  for (const passing of Object.keys(passes))
    test(
      `sendFile() sends bytes ${start} to ${end} when the kernel ${passing}`,
      needsKernel,
      async (context) => {
        const file = openFile({ waits: false, passing })
        const { url, outcome } = await serve(context, file, { start, end })
        const answer = await fetch(url)
        assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(start, end + 1)))
        assert.equal(await outcome, 'sent')
      },
    )

test(
  'sendFile() leaves the connection to the next request, all bytes counted',
  needsKernel,
  async (context) => {
    const sent: ServerResponse[] = []
    let passedBytes = 0
    const file = openFile({ waits: false })
    file.pass = (socket, position, most) => {
      const passed = passes['sends']!(socket, position, most)
      passedBytes += passed ?? 0
      return passed
    }
    const server = createServer((_request, response) => {
      sent.push(response)
      response.writeHead(200, { 'Content-Length': bytes.length })
      void sendFile(response, file, { start: 0, end: bytes.length - 1 }, new SendBuffers())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    context.after(() => server.close().closeAllConnections())
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [connection] = (await once(server, 'connection')) as [Socket]
    let received = Buffer.alloc(0)
    for (let request = 1; request <= 3; request += 1) {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      while (!received.subarray(received.indexOf('\r\n\r\n') + 4).equals(bytes)) {
        const [chunk] = (await once(socket, 'data')) as [Buffer]
        received = Buffer.concat([received, chunk])
      }
      assert.match(received.subarray(0, 15).toString(), /^HTTP\/1.1 200 OK/)
      const total = readSentBytes(connection)
      assert.equal(total, request * received.length)
      received = Buffer.alloc(0)
    }
    assert.ok(passedBytes > 2 * bytes.length, 'the kernel has sent most of it')
    socket.destroy()
  },
)

test('sendFile() keeps the last bytes back when the file was touched', async (context) => {
  for (const options of [
    { end: 1000 },
    { end: bytes.length - 1 },
    { end: bytes.length - 1, passing: 'sends' },
  ]) {
    const { end } = options
    const file = openFile({ ...options, end: bytes.length, isUnchanged: () => false })
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

test('sendFile() fails when a file ends too early that the kernel sends', async (context) => {
  const pass: BlobFile['pass'] = (socket, position, most) =>
    passes['sends']!(socket, position, Math.min(most, Math.max(0, 3_000_000 - position)))
  const file = { ...openFile({ end: 3_000_000, waits: false }), pass }
  const { url, outcome } = await serve(context, file)
  await buffer(await ask(url)).catch(() => Buffer.alloc(0))
  assert.match(await outcome, /was changed while it was sent/)
})

test(
  'sendFile() waits for a client that takes nothing, and hangs up, while the kernel sends',
  needsKernel,
  async (context) => {
    let passedBytes = 0
    const file: BlobFile = {
      ...openFile({ waits: false }),
      sizeBytes: 1_000_000_000,
      read: (into) => into.fill(1).length,
      pass(socket, position, most) {
        const passed = passes['sends']!(socket, position % 4_000_000, Math.min(most, 1_000_000))
        passedBytes += passed ?? 0
        return passed
      },
    }
    const { url, outcome } = await serve(context, file, { start: 0, end: 999_999_999 })
    const socket = await ask(url)
    await once(socket, 'readable')
    for (let turn = 0; turn < 1000; turn += 1) await new Promise(setImmediate)
    // What the two sockets take: 10 MB or so.
    assert.ok(passedBytes > 0 && passedBytes < 100_000_000, `${passedBytes}`)
    socket.resetAndDestroy()
    assert.equal(await outcome, 'the client hung up')
  },
)

test('sendFile() ends when the client hangs up, while it reads or writes', async (context) => {
  for (const isReading of [true, false]) {
    const reading = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const file: BlobFile = {
      ...openFile({ waits: false }),
      // More than the two sockets take: of less, all might be sent before the client hangs up.
      sizeBytes: 1_000_000_000,
      async read(into, position) {
        if (position > 1_000_000 && isReading) {
          reading.resolve()
          await held.promise
        }
        return into.fill(1).length
      },
    }
    const { url, outcome } = await serve(context, file, { start: 0, end: 999_999_999 })
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
