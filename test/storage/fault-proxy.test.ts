import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, request as startRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { after, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '#test/anomaly/eventually.ts'
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { withoutFaults, type Fault } from './fault.ts'
import { bucketAnswers } from './bucket-answers.ts'
import { seededFaults, unavailable } from './seeded-faults.ts'

const mebibyte = Buffer.alloc(1024 * 1024, 'x')

suite('FaultProxy', () => {
  const resources = new AsyncDisposableStack()
  const agent = new Agent({ keepAlive: true })
  let bucket: Bucket
  let proxy: FaultProxy

  before(async () => {
    bucket = resources.use(await startBucket())
    resources.defer(() => agent.destroy())
  })
  after(() => resources.disposeAsync())
  beforeEach(async () => {
    proxy = resources.use(await startFaultProxy(bucket.url))
    bucket.stored.clear()
  })

  const failOnce = (fault: Fault, method: string) => {
    let left = 1
    proxy.plan = (request) => (request.method === method && left-- > 0 ? fault : undefined)
  }
  const send = (method: string, path: string, body?: Buffer, headers = {}) =>
    exchange(`${proxy.url}${path}`, { method, agent, headers }, body)

  test('passes bytes, status and headers on, and keeps the name that was asked for', async () => {
    const stored = await send('PUT', '/layers/a?x=1', mebibyte, { 'X-Signed': 'yes' })
    assert.equal(stored.status, 201)
    assert.deepEqual(bucket.stored.get('/layers/a?x=1'), mebibyte)
    assert.equal(bucket.heads.at(-1)?.['x-signed'], 'yes')
    assert.equal(bucket.heads.at(-1)?.host, new URL(proxy.url).host)
    const read = await send('GET', '/layers/a?x=1')
    assert.deepEqual(read.body, mebibyte)
    assert.equal(read.headers['x-kind'], 'stored')
    const head = await send('HEAD', '/layers/a?x=1')
    assert.equal(head.headers['content-length'], String(mebibyte.length))
    assert.equal((await send('GET', '/absent')).status, 404)
    assert.deepEqual(
      proxy.requests.map(({ method, bodyBytes }) => [method, bodyBytes]),
      [
        ['PUT', mebibyte.length],
        ['GET', 0],
        ['HEAD', 0],
        ['GET', 0],
      ],
    )
    assert.deepEqual(proxy.faults, [])
  })

  test('asks by the bucket’s own name when told to', async () => {
    await using renaming = await startFaultProxy(bucket.url, withoutFaults, { renamesHost: true })
    await exchange(`${renaming.url}/absent`, { agent })
    assert.equal(bucket.heads.at(-1)?.host, new URL(bucket.url).host)
  })

  test('passes bodies of unknown length on', async () => {
    const request = startRequest(`${proxy.url}/chunked`, { method: 'PUT', agent })
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    for (let count = 0; count < 5; count += 1) request.write(mebibyte)
    request.end()
    const [answer] = await answered
    await buffer(answer)
    assert.equal(bucket.stored.get('/chunked')?.length, 5 * mebibyte.length)
  })

  for (const kind of ['cut', 'reset'] as const) {
    test(`${kind} breaks an upload off in its middle`, async () => {
      failOnce({ kind, afterBytes: 100_000 }, 'PUT')
      await assert.rejects(send('PUT', '/broken', mebibyte), /ECONNRESET|socket hang up|EPIPE/)
      assert.deepEqual(proxy.faults, [{ kind, afterBytes: 100_000 }])
      assert.equal(bucket.stored.has('/broken'), false)
      assert.equal((await send('PUT', '/broken', mebibyte)).status, 201, 'and only that one')
    })

    test(`${kind} breaks a request without a body off`, async () => {
      failOnce({ kind, afterBytes: 0 }, 'GET')
      await assert.rejects(send('GET', '/absent'), /ECONNRESET|socket hang up/)
      assert.equal(proxy.faults.length, 1)
    })
  }

  test('reset is a reset, cut an end', async () => {
    failOnce({ kind: 'reset', afterBytes: 0 }, 'GET')
    await assert.rejects(send('GET', '/'), /read ECONNRESET/)
    failOnce({ kind: 'cut', afterBytes: 0 }, 'GET')
    await assert.rejects(send('GET', '/'), /socket hang up/)
  })

  test('answers in the bucket’s place', async () => {
    for (const answer of [bucketAnswers.s3.tooManyRequests, unavailable]) {
      failOnce({ kind: 'answer', answer }, 'PUT')
      const refused = await send('PUT', '/refused', mebibyte)
      assert.equal(refused.status, answer.status)
      assert.equal(refused.body.toString(), answer.body)
      assert.equal(refused.headers['retry-after'], answer.headers?.['Retry-After'])
    }
    assert.equal(bucket.stored.size, 0)
    assert.equal((await send('PUT', '/refused', mebibyte)).status, 201)
  })

  test('lose-answer lets the bucket do it', async () => {
    failOnce({ kind: 'lose-answer' }, 'PUT')
    await assert.rejects(send('PUT', '/done', mebibyte), /ECONNRESET/)
    assert.deepEqual(bucket.stored.get('/done'), mebibyte)
    assert.deepEqual(proxy.faults, [{ kind: 'lose-answer' }])
  })

  test('truncate ends the answer too early, by at least a byte', async () => {
    await send('PUT', '/whole', mebibyte)
    for (const afterBytes of [0, 1000, mebibyte.length + 5]) {
      failOnce({ kind: 'truncate', afterBytes }, 'GET')
      await assert.rejects(send('GET', '/whole'), /aborted/)
    }
    assert.equal(proxy.faults.length, 3)
    failOnce({ kind: 'truncate', afterBytes: 0 }, 'HEAD')
    assert.equal((await send('HEAD', '/whole')).status, 200)
    assert.equal(proxy.faults.length, 3, 'a HEAD has nothing to truncate')
  })

  test('delay answers later', async () => {
    failOnce({ kind: 'delay', delayMs: 150 }, 'GET')
    const startedAt = performance.now()
    assert.equal((await send('GET', '/absent')).status, 404)
    assert.ok(performance.now() - startedAt >= 149)
  })

  test('black-hole says nothing until the client gives up', async () => {
    failOnce({ kind: 'black-hole' }, 'GET')
    const leaving = new AbortController()
    const impatient = exchange(`${proxy.url}/`, { agent, signal: leaving.signal })
    const refused = assert.rejects(impatient, { name: 'AbortError' })
    await eventually('the fault', () => proxy.faults.length > 0 || undefined)
    await delay(200)
    leaving.abort()
    await refused
    assert.deepEqual(proxy.faults, [{ kind: 'black-hole' }])
  })

  test('breaks connections off while there is no bucket', async () => {
    await using orphan = await startFaultProxy('http://127.0.0.1:1')
    await assert.rejects(exchange(`${orphan.url}/`, { agent }), /ECONNRESET|socket hang up/)
    assert.deepEqual(orphan.faults, [])
  })

  test('seeded faults come about as often as wanted, and again with the same seed', async () => {
    const drawn = (seed: number) => {
      const plan = seededFaults(seed, 10)
      return Array.from({ length: 3000 }, (_, number) =>
        plan({ number, method: 'GET', path: '/', bodyBytes: 0, range: undefined }),
      )
    }
    const faults = drawn(1).filter((fault) => fault !== undefined)
    assert.ok(faults.length > 240 && faults.length < 360, `${faults.length} of 3000`)
    const kinds = new Set(faults.map(({ kind }) => kind))
    assert.equal(kinds.size, 6, [...kinds].join(', '))
    assert.deepEqual(drawn(1), drawn(1))
    assert.notDeepEqual(drawn(1), drawn(2))
  })

  test('a client that retries gets everything through a shaky connection', async () => {
    proxy.plan = seededFaults(7, 3)
    for (let count = 0; count < 60; count += 1) {
      const path = `/shaky/${count}`
      const body = mebibyte.subarray(0, count * 4000)
      while (!(await succeeds(() => send('PUT', path, body)))) continue
      while (!(await succeeds(() => send('GET', path)))) continue
      assert.deepEqual(bucket.stored.get(path), body)
    }
    assert.ok(proxy.faults.length > 20, `${proxy.faults.length} faults`)
    proxy.plan = withoutFaults
    assert.equal((await send('GET', '/shaky/59')).body.length, 59 * 4000)
  })
})

async function succeeds(run: () => Promise<Answer>): Promise<boolean> {
  return await run().then(
    ({ status }) => status < 300,
    () => false,
  )
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

function exchange(
  url: string,
  options: Parameters<typeof startRequest>[1],
  body?: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = startRequest(url, options)
    request.once('error', reject).once('response', (answer) => {
      buffer(answer).then(
        (read) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: read }),
        reject,
      )
    })
    request.end(body)
  })
}

interface Bucket extends AsyncDisposable {
  readonly url: string
  readonly stored: Map<string, Buffer>
  readonly heads: IncomingMessage['headers'][]
}

/** A bucket of a few lines: PUT stores a body, GET gives it. */
async function startBucket(): Promise<Bucket> {
  const stored = new Map<string, Buffer>()
  const heads: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    heads.push(request.headers)
    void store(request).catch(() => {
      // An upload that was broken off is not stored.
    })
    async function store(request: IncomingMessage): Promise<void> {
      const body = await buffer(request)
      if (request.method !== 'PUT') return give()
      stored.set(path, body)
      response.writeHead(201).end()
    }
    function give(): void {
      const found = stored.get(path)
      if (found === undefined) return void response.writeHead(404).end('absent')
      response.writeHead(200, { 'Content-Length': found.length, 'X-Kind': 'stored' })
      response.end(request.method === 'HEAD' ? undefined : found)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stored,
    heads,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
