import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { heartbeatMs, LiveAnswers, type LiveText } from './live-answers.ts'

/** Text that the test writes. */
function createText(): LiveText & { add(piece: string): void; finish(): void } {
  const pieces: string[] = []
  let over = false
  let tell = () => {}
  return {
    next: () => pieces.shift(),
    isOver: () => over,
    follow: (listener) => {
      tell = listener
    },
    heartbeat: ': beat\n\n',
    farewell: ': farewell\n\n',
    add(piece) {
      pieces.push(piece)
      tell()
    },
    finish() {
      over = true
      tell()
    },
  }
}

/** Sends a text to a client that the test reads with, or does not. */
async function startLive(context: TestContext, live: LiveText) {
  const clock = createManualClock()
  const ending = new AbortController()
  const answers = new LiveAnswers(1)
  const responses: ServerResponse[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    responses.push(response)
    const { signal } = new AbortController()
    const exchange = { request, response, signal, path: '/', noted: {} }
    answers.send(exchange, 'text/event-stream', live, { clock, ending: ending.signal })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close().closeAllConnections())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  context.after(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  return { answers, client, clock, ending, server, responses }
}

/** Reads until the text has come; gives the end of what was read. */
async function read(client: Socket, wanted: string): Promise<string> {
  let text = ''
  while (!text.includes(wanted)) {
    const [chunk] = (await once(client, 'data')) as [Buffer]
    text = text.slice(-1000) + chunk.toString()
  }
  return text
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1))

test('LiveAnswers sends each piece at once, beats, and ends with the text', async (context) => {
  const live = createText()
  const { answers, client, clock } = await startLive(context, live)
  assert.match(await read(client, '\r\n\r\n'), /X-Accel-Buffering: no/)
  assert.equal(answers.hasRoom, false)
  live.add('one')
  await read(client, 'one')
  clock.advance(heartbeatMs)
  await read(client, ': beat')
  live.add('two')
  const ended = once(client, 'close')
  live.finish()
  assert.match(await read(client, '0\r\n\r\n'), /two/)
  await ended
  while (!answers.hasRoom) await settle()
})

test('LiveAnswers says farewell when the service ends', async (context) => {
  const { client, ending } = await startLive(context, createText())
  await read(client, '\r\n\r\n')
  const ended = once(client, 'close')
  ending.abort()
  await read(client, ': farewell')
  await ended
})

test('LiveAnswers keeps nothing for a client that does not read, and cuts it off', async (context) => {
  const piece = 'x'.repeat(64 * 1024)
  let asked = 0
  const endless: LiveText = {
    ...createText(),
    next() {
      asked += 1
      return asked > 10_000 ? undefined : piece
    },
  }
  const { answers, client, clock } = await startLive(context, endless)
  client.pause()
  await once(client, 'connect')
  // Until the buffers of both sides are full.
  let isMoving = true
  while (isMoving) {
    const before = asked
    await new Promise((resolve) => setTimeout(resolve, 50))
    isMoving = asked === 0 || asked !== before
  }
  // What the kernel takes for both sides, far below the 640 MB that there are.
  assert.ok(asked < 500, `${asked} pieces`)
  assert.equal(answers.hasRoom, false)
  for (let beats = 0; beats < 4; beats += 1) clock.advance(heartbeatMs)
  while (!answers.hasRoom) await settle()
})

test('LiveAnswers leaves a client that does not take the end to the limit of the server', async (context) => {
  const live = createText()
  const { answers, client, server, responses } = await startLive(context, live)
  // Of the request alone: the connection may wait for it longer where others take the processor.
  server.prependListener('request', ({ socket }) => socket.setTimeout(100))
  client.pause()
  while (responses.length === 0) await settle()
  const [response] = responses
  // Until the buffers of the kernel are full, and that of the response is not.
  for (let settled = 0; settled < 50;) {
    const isTaken = response!.writableLength === 0
    settled = isTaken ? 0 : settled + 1
    if (isTaken) live.add('x'.repeat(8 * 1024))
    await settle()
  }
  assert.equal(response!.writableNeedDrain, false)
  live.finish()
  assert.equal(answers.hasRoom, false)
  while (!answers.hasRoom) await settle()
  assert.equal(response!.writableFinished, false)
})

test('LiveAnswers forgives a client that reads slowly', async (context) => {
  const live = createText()
  const { answers, client, clock } = await startLive(context, live)
  await read(client, '\r\n\r\n')
  for (let round = 0; round < 3; round += 1) {
    client.pause()
    for (let count = 0; count < 100; count += 1) live.add('x'.repeat(64 * 1024))
    for (let beats = 0; beats < 2; beats += 1) clock.advance(heartbeatMs)
    live.add(`end of round ${round}`)
    const wanted = read(client, `end of round ${round}`)
    client.resume()
    await wanted
  }
  assert.equal(answers.hasRoom, false)
})
