import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { watchBody } from '../watch-body.ts'
import { gcsError } from './gcs-error.ts'
import { answerError, collectBytes, readAnswer, sendRequest } from './gcs-request.ts'

const never = new AbortController().signal
const idleTimeoutMs = 60
// No silence of a busy machine is that long.
const patienceMs = 600_000
const wholeBytes = 4 * 1024 * 1024

test('sendRequest() gives up a server that does not answer', async (context) => {
  const url = await serve(context, () => {
    // Takes the request, and that is all.
  })
  await assert.rejects(get(url, { idleTimeoutMs }), {
    code: 'ETIMEDOUT',
    message: /said nothing for 0\.06 s/,
  })
})

test('sendRequest() ends with its signal, and so does the connection', async (context) => {
  const arrived = Promise.withResolvers<Socket>()
  const url = await serve(context, (request) => arrived.resolve(request.socket))
  const controller = new AbortController()
  const sent = get(url, { signal: controller.signal })
  const socket = await arrived.promise
  controller.abort(new Error('enough'))
  await Promise.all([assert.rejects(sent, /enough/), closeOf(socket)])
  await assert.rejects(get(url, { signal: controller.signal }), /enough/)
})

test('a download whose server falls silent fails', async (context) => {
  const url = await serve(context, (_, response) => {
    response.writeHead(200, { 'content-length': wholeBytes })
    response.write(Buffer.alloc(1000))
  })
  const stream = watch(await get(url))
  await assert.rejects(buffer(stream), { code: 'STORAGE_BUSY', message: /^reading: nothing came/ })
})

test('a download that fails before it is read tells so', async (context) => {
  const url = await serve(context, (_, response) => {
    response.writeHead(200, { 'content-length': wholeBytes })
    response.write('a', () => response.destroy())
  })
  const answer = await get(url)
  const stream = watch(answer)
  await closeOf(answer)
  await assert.rejects(buffer(stream), { code: 'STORAGE_BUSY' })
})

test('a slow reader holds back the server', async (context) => {
  let sentBytes = 0
  const blocked = Promise.withResolvers<void>()
  const url = await serve(context, (_, response) => {
    response.writeHead(200, { 'content-length': 16 * wholeBytes })
    const send = () => {
      while (sentBytes < 16 * wholeBytes) {
        sentBytes += 65_536
        if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', send)
      }
      response.end()
    }
    response.setTimeout(idleTimeoutMs * 5, () => blocked.resolve())
    send()
  })
  const stream = watch(await get(url), patienceMs)
  stream.read(0)
  await blocked.promise
  assert.ok(sentBytes < 8 * wholeBytes, `${sentBytes} bytes for nobody`)
  assert.equal((await buffer(stream)).length, 16 * wholeBytes)
})

test('a download whose server falls silent fails, also after its reader was slow', async (context) => {
  const silent = Promise.withResolvers<void>()
  const url = await serve(context, (_, response) => {
    response.writeHead(200, { 'content-length': wholeBytes })
    response.write(Buffer.alloc(wholeBytes / 2))
    // The reader begins when a server that says nothing would have been given up several times.
    response.setTimeout(idleTimeoutMs * 5, () => silent.resolve())
  })
  const stream = watch(await get(url))
  const failed = Promise.withResolvers<unknown>()
  stream.once('error', failed.resolve)
  await silent.promise
  stream.resume()
  assert.match(String(await failed.promise), /nothing came/)
})

test('a download that is dropped, read or not, ends its connection', async (context) => {
  const closed: Promise<void>[] = []
  const url = await serve(context, (request, response) => {
    closed.push(closeOf(request.socket))
    response.writeHead(200, { 'content-length': wholeBytes })
    response.write(Buffer.alloc(100_000))
  })
  for (const read of [false, true]) {
    const stream = watch(await get(url), patienceMs)
    if (read) {
      await once(stream, 'readable')
      stream.resume()
      await new Promise(setImmediate)
    }
    stream.destroy()
    await closed.at(-1)
  }
})

test('a refusal is heard while the upload goes on', async (context) => {
  const url = await serve(context, (_, response) => {
    response.writeHead(403).end('{"error":{"message":"not you"}}')
  })
  async function* endless() {
    while (true) yield Buffer.alloc(65_536)
  }
  const source = Readable.from(endless(), { objectMode: false })
  const answer = await sendRequest(
    {
      method: 'POST',
      url,
      headers: {},
      body: { sizeBytes: 1e12, open: () => source },
      idleTimeoutMs: patienceMs,
    },
    never,
  )
  const error = answerError(answer, await readAnswer(answer, never))
  assert.deepEqual([error.code, error.message], [403, 'not you'])
  if (!source.closed) await closeOf(source)
})

test('an upload whose bytes cannot be read fails', async (context) => {
  const url = await serve(context, (request) => request.resume())
  const open = () =>
    new Readable({
      read() {
        this.destroy(new Error('the disk is broken'))
      },
    })
  const body = { sizeBytes: 10, open }
  await assert.rejects(
    sendRequest({ method: 'PUT', url, headers: {}, body, idleTimeoutMs: 60_000 }, never),
    /the disk is broken/,
  )
})

test('collectBytes() gives nothing of a body that is too large, whether or not it says so', async (context) => {
  const url = await serve(context, (request, response) => {
    if (request.url === '/says') response.setHeader('content-length', 1000)
    response.write(Buffer.alloc(500))
    response.end(Buffer.alloc(500))
  })
  for (const path of ['/says', '/']) {
    const at = new URL(path, url)
    assert.equal(await collectBytes(await get(at), 999, never), undefined)
    assert.equal((await collectBytes(await get(at), 1000, never))?.length, 1000)
  }
})

function get(url: URL, { signal = never, idleTimeoutMs: idleMs = patienceMs } = {}) {
  return sendRequest({ method: 'GET', url, headers: {}, idleTimeoutMs: idleMs }, signal)
}

function watch(answer: IncomingMessage, stallMs = idleTimeoutMs): Readable {
  return watchBody(answer, { doing: 'reading', stallMs, explain: gcsError })
}

/** Unlike `once` of `node:events`, also when it closes with an error. */
function closeOf(closing: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => closing.once('close', resolve))
}

async function serve(context: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}
