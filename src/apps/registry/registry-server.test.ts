import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { digestOf } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import { platformOf } from '#core/nix/system.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { PackageFailure } from '#core/nix/package-outcome.ts'
import type { BlobLocator } from '#engine/ports/storage.ts'
import type { RequestFacts } from '#engine/ports/request-log.ts'
import type { ManifestOutcome, ManifestRequest } from '#engine/serve-manifest.ts'
import { createRegistryServer } from './registry-server.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const signal = new AbortController().signal
const ociManifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest })
const dockerManifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.dockerManifest })
const blob = 'hello world'

/** A registry over memory storage whose manifests come from `serve`. */
async function startRegistry(
  context: TestContext,
  serve: (request: ManifestRequest, signal: AbortSignal) => Promise<ManifestOutcome> = async () =>
    image(),
  locator?: BlobLocator,
  hostNames?: ReadonlySet<string>,
) {
  const { blobs } = createMemoryStorage()
  for (const text of [ociManifest, dockerManifest, blob]) {
    const upload = await blobs.upload('application/octet-stream', signal)
    await upload.write(Buffer.from(text))
    await upload.publish(digestOf(text))
  }
  const requests: RequestFacts[] = []
  const failures: unknown[] = []
  const server = createRegistryServer({
    registry: () => ({
      blobs,
      ...(locator && { locator }),
      manifest: serve,
      storedManifest: (digest, until) => blobs.readDocument(digest, until),
      refuse: async () => undefined,
      near: async (name) => (name === 'our/hello' ? ['ours/hello'] : []),
    }),
    metrics: { contentType: 'text/plain', text: async () => 'nixery_builds_running 0\n' },
    log: { request: (facts) => requests.push(facts), failure: (error) => failures.push(error) },
    hostNames,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const { port } = server.address() as AddressInfo

  async function send(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
  ): Promise<Answer> {
    const request = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: (await buffer(response)).toString(),
    }
  }
  return { send, server, port, requests, failures }
}

const pinned = { source: '', revision: 'r1', identity: 'r1', fixed: true }

function image(): ManifestOutcome {
  const document = (mediaType: string, text: string) => ({
    mediaType,
    digest: digestOf(text),
    size: text.length,
  })
  return {
    kind: 'image',
    cached: true,
    pinned,
    image: {
      manifests: [
        document(mediaTypes.ociManifest, ociManifest),
        document(mediaTypes.dockerManifest, dockerManifest),
      ],
      blobs: [],
    },
  }
}

function errorCode(answer: Answer): string {
  assert.equal(answer.headers['content-type'], 'application/json')
  const { errors } = JSON.parse(answer.body) as { errors: Array<{ code: string; message: string }> }
  assert.ok(errors[0]?.message)
  return errors[0].code
}

test('the base route answers with and without slash', async (context) => {
  const { send } = await startRegistry(context)
  for (const path of ['/v2', '/v2/', '/v2/?ns=docker.io']) {
    const answer = await send('GET', path)
    assert.deepEqual(
      [answer.status, answer.headers['docker-distribution-api-version']],
      [200, 'registry/2.0'],
    )
  }
})

test('a manifest comes in the media type that the client reads', async (context) => {
  const { send } = await startRegistry(context)
  const cases: ReadonlyArray<readonly [accept: string | undefined, body: string]> = [
    [undefined, ociManifest],
    ['*/*', ociManifest],
    [mediaTypes.dockerManifest, dockerManifest],
    [`${mediaTypes.dockerManifest}, ${mediaTypes.ociManifest}`, ociManifest],
  ]
  for (const [accept, body] of cases) {
    const answer = await send(
      'GET',
      '/v2/git/manifests/latest?ns=mirror',
      accept === undefined ? {} : { Accept: accept },
    )
    assert.equal(answer.body, body)
    assert.equal(answer.headers['content-type'], JSON.parse(body).mediaType)
    assert.equal(answer.headers['docker-content-digest'], digestOf(body))
    assert.equal(answer.headers.vary, 'Accept')
  }
})

test('HEAD carries the headers of GET and no body', async (context) => {
  const { send } = await startRegistry(context)
  for (const path of [
    '/v2/git/manifests/latest',
    `/v2/git/manifests/${digestOf(dockerManifest)}`,
    `/v2/git/blobs/${digestOf(blob)}`,
    '/v2/git/blobs/sha256:x',
    '/nowhere',
  ]) {
    const [get, head] = [await send('GET', path), await send('HEAD', path)]
    const comparable = ({ date: _date, ...headers }: Answer['headers']) => headers
    assert.equal(head.status, get.status, path)
    assert.deepEqual(comparable(head.headers), comparable(get.headers), path)
    assert.equal(head.body, '')
    assert.equal(Number(get.headers['content-length']), get.body.length)
  }
})

test('no body byte follows HEAD, 304 and 416 on a connection that goes on', async (context) => {
  const { port } = await startRegistry(context)
  const socket = connect(port, '127.0.0.1')
  const line = (method: string, path: string, ...headers: string[]) =>
    [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')
  socket.write(
    line('HEAD', '/v2/git/manifests/latest') +
      line('GET', '/v2/git/manifests/latest', `If-None-Match: "${digestOf(ociManifest)}"`) +
      line('GET', `/v2/git/blobs/${digestOf(blob)}`, 'Range: bytes=99-') +
      line('GET', '/v2/', 'Connection: close'),
  )
  const text = (await buffer(socket)).toString()
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '304', '416', '200'],
  )
})

test('blobs come whole, in parts, or not modified', async (context) => {
  const { send } = await startRegistry(context)
  const path = `/v2/git/blobs/${digestOf(blob)}`
  const tag = `"${digestOf(blob)}"`
  const cases: ReadonlyArray<
    readonly [headers: OutgoingHttpHeaders, status: number, body: string | undefined]
  > = [
    [{}, 200, blob],
    [{ Range: 'bytes=0-4' }, 206, 'hello'],
    [{ Range: 'bytes=6-' }, 206, 'world'],
    [{ Range: 'bytes=-5' }, 206, 'world'],
    [{ Range: 'bytes=0-4', 'If-Range': tag }, 206, 'hello'],
    [{ Range: 'bytes=0-4', 'If-Range': '"other"' }, 200, blob],
    [{ Range: 'bytes=0-1,3-4' }, 200, blob],
    [{ Range: 'bytes=11-' }, 416, undefined],
    [{ 'If-None-Match': tag }, 304, ''],
    [{ 'If-None-Match': `"a", W/${tag}` }, 304, ''],
    [{ 'If-None-Match': '*' }, 304, ''],
  ]
  for (const [headers, status, body] of cases) {
    const answer = await send('GET', path, headers)
    assert.equal(answer.status, status, JSON.stringify(headers))
    if (body !== undefined) assert.equal(answer.body, body, JSON.stringify(headers))
  }
  assert.equal(
    (await send('GET', path, { Range: 'bytes=6-' })).headers['content-range'],
    'bytes 6-10/11',
  )
  assert.equal(
    (await send('GET', path, { Range: 'bytes=11-' })).headers['content-range'],
    'bytes */11',
  )
})

test('HEAD of a blob knows no ranges', async (context) => {
  const { send } = await startRegistry(context)
  for (const range of ['bytes=0-4', 'bytes=99-']) {
    const answer = await send('HEAD', `/v2/git/blobs/${digestOf(blob)}`, { Range: range })
    assert.deepEqual([answer.status, answer.headers['content-length']], [200, '11'], range)
  }
})

test('every refusal is JSON with a code of the specification', async (context) => {
  const { send, requests } = await startRegistry(context)
  const absent = digestOf('absent')
  const cases: ReadonlyArray<
    readonly [method: string, path: string, status: number, code: string]
  > = [
    ['GET', '/', 404, 'UNSUPPORTED'],
    ['GET', '/v2/_catalog', 404, 'UNSUPPORTED'],
    ['GET', '/v2/Git/manifests/latest', 400, 'NAME_INVALID'],
    ['GET', '/v2/git/manifests/-', 400, 'MANIFEST_INVALID'],
    ['GET', '/v2/git/manifests/sha256:1', 400, 'DIGEST_INVALID'],
    ['GET', '/v2/git/blobs/sha256:1', 400, 'DIGEST_INVALID'],
    ['GET', `/v2/git/blobs/${absent}`, 404, 'BLOB_UNKNOWN'],
    ['GET', `/v2/git/manifests/${absent}`, 404, 'MANIFEST_UNKNOWN'],
    ['GET', `/v2/git/manifests/${digestOf(blob)}`, 404, 'MANIFEST_UNKNOWN'],
    ['POST', '/v2/git/blobs/uploads/', 405, 'UNSUPPORTED'],
    ['PUT', '/v2/git/manifests/latest', 405, 'UNSUPPORTED'],
    ['DELETE', `/v2/git/blobs/${digestOf(blob)}`, 405, 'UNSUPPORTED'],
    ['OPTIONS', '/v2/', 405, 'UNSUPPORTED'],
  ]
  for (const [method, path, status, code] of cases) {
    const answer = await send(method, path)
    assert.deepEqual([answer.status, errorCode(answer)], [status, code], `${method} ${path}`)
    const { message } = JSON.parse(answer.body).errors[0]
    assert.equal(requests.at(-1)?.reason, message, 'the log has the reason')
    if (status === 405) assert.equal(answer.headers.allow, 'GET, HEAD')
  }
})

test('a failed build is a 4xx on one line with its build id', async (context) => {
  const { send } = await startRegistry(context, async () => ({
    kind: 'failed',
    buildId: 'b42',
    pinned,
    failure: {
      kind: 'packages',
      failures: [
        { kind: 'not-found', package: 'gti', nearNames: ['git', 'gtk'] },
        { kind: 'evaluation-error', package: 'x', message: 'first\nsecond \u001b[31mred' },
      ],
    },
  }))
  const answer = await send('GET', '/v2/gti/x/manifests/latest')
  assert.deepEqual([answer.status, errorCode(answer)], [404, 'MANIFEST_UNKNOWN'])
  const { message } = JSON.parse(answer.body).errors[0] as { message: string }
  assert.equal(
    message,
    'no package is called gti; did you mean git or gtk?; x cannot be evaluated: first second [31mred (build b42)',
  )
})

test('packages that are not there may have been another image', async (context) => {
  const failing = (failure: PackageFailure) => async (): Promise<ManifestOutcome> => ({
    kind: 'failed',
    buildId: 'b42',
    pinned,
    failure: { kind: 'packages', failures: [failure] },
  })
  const messageOf = async (failure: PackageFailure) => {
    const { send } = await startRegistry(context, failing(failure))
    const answer = await send('GET', '/v2/our/hello/manifests/latest')
    return JSON.parse(answer.body).errors[0].message as string
  }
  assert.equal(
    await messageOf({ kind: 'not-found', package: 'our', nearNames: [] }),
    'no package is called our (build b42); did you mean the image ours/hello?',
  )
  const other = await messageOf({ kind: 'ambiguous', package: 'our', candidates: ['a', 'b'] })
  assert.ok(other.endsWith('(build b42)'), other)
})

test('what the operator must mend is a 5xx and logged, overload a 503 to be tried again', async (context) => {
  const errors: Error[] = [
    new OperatingError('NO_SPACE', 'disk full'),
    new OperatingError('OVERLOADED', 'busy'),
    new Error('a secret detail'),
  ]
  const { send, failures } = await startRegistry(context, () => Promise.reject(errors[0]))
  const full = await send('GET', '/v2/git/manifests/latest')
  assert.deepEqual([full.status, full.headers['retry-after']], [500, undefined])
  assert.deepEqual(failures, [errors[0]])
  errors.shift()
  const busy = await send('GET', '/v2/git/manifests/latest')
  assert.deepEqual(
    [busy.status, errorCode(busy), busy.headers['retry-after']],
    [503, 'TOOMANYREQUESTS', '15'],
  )
  assert.equal(failures.length, 1)
  errors.shift()
  const unknown = await send('GET', '/v2/git/manifests/latest')
  assert.deepEqual([unknown.status, errorCode(unknown)], [500, 'UNKNOWN'])
  assert.ok(!unknown.body.includes('secret'))
  errors.unshift(new OperatingError('SOURCE_UNAVAILABLE', 'no route to the mirror'))
  assert.equal((await send('GET', '/v2/git/manifests/latest')).status, 503)
  assert.deepEqual(failures.at(-1), errors[0], 'a 503 that somebody has to mend')
})

test('a client that hangs up stops waiting', async (context) => {
  let waiting: AbortSignal | undefined
  const arrived = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const { port } = await startRegistry(context, (_request, patience) => {
    waiting = patience
    arrived.resolve()
    return new Promise((_resolve, reject) => {
      patience.addEventListener('abort', () => {
        left.resolve()
        reject(patience.reason as Error)
      })
    })
  })
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /v2/git/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n')
  await arrived.promise
  assert.equal(waiting?.aborted, false)
  socket.destroy()
  await left.promise
})

test('a manifest says what it was made of, and since when the origin is away', async (context) => {
  const asked: ManifestRequest[] = []
  const staleSinceMs = Date.UTC(2026, 0, 2, 3, 4, 5)
  const { send, requests } = await startRegistry(context, async (request) => {
    asked.push(request)
    return { ...image(), pinned: { ...pinned, source: 'ours', staleSinceMs } } as ManifestOutcome
  })
  const path = '/v2/git/manifests/latest'
  const { headers } = await send('GET', path, { Accept: mediaTypes.dockerManifest })
  assert.equal(headers['nixery-revision'], 'r1')
  assert.equal(headers['nixery-source'], 'ours')
  assert.equal(headers['nixery-stale-since'], '2026-01-02T03:04:05.000Z')
  assert.deepEqual(
    requests.map(({ source, revision, staleSince }) => [source, revision, staleSince]),
    [['ours', 'r1', '2026-01-02T03:04:05.000Z']],
    'the log says the same of an answer from cache',
  )
  await send('GET', path, { Accept: `${mediaTypes.dockerManifest}, ${mediaTypes.ociIndex}` })
  assert.deepEqual(
    asked.map(({ acceptsIndex }) => acceptsIndex),
    [false, true],
  )
})

test('the log says which platforms an index was made without', async (context) => {
  const { send, requests } = await startRegistry(context, async () => ({
    ...image(),
    leftOut: [platformOf('arm64')],
  }))
  await send('GET', '/v2/git/manifests/latest')
  assert.deepEqual(requests[0]?.leftOut, ['linux/arm64'])
})

test('requests that a client sends ahead wait for their turn', async (context) => {
  const asked: string[] = []
  const arrived = Promise.withResolvers<void>()
  const first = Promise.withResolvers<ManifestOutcome>()
  const { port } = await startRegistry(context, ({ name }) => {
    asked.push(name)
    arrived.resolve()
    return first.promise
  })
  const socket = connect(port, '127.0.0.1')
  socket.write(
    'GET /v2/one/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n' +
      'GET /v2/two/manifests/latest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  await arrived.promise
  // The server answers another connection only after it has read all of the first.
  const other = connect(port, '127.0.0.1')
  other.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await buffer(other)
  assert.deepEqual(asked, ['one'])
  first.resolve(image())
  const text = (await buffer(socket)).toString()
  assert.equal([...text.matchAll(/HTTP\/1\.1 200/g)].length, 2)
  assert.deepEqual(asked, ['one', 'two'])
})

test('a client that sends far too much ahead is cut off', async (context) => {
  const { port } = await startRegistry(context, () => new Promise(() => {}))
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /v2/one/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100))
  await once(socket, 'close')
})

test('a client that stops reading loses its connection, and the blob is closed', async (context) => {
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(64 * 1024))
    },
  })
  const logged = Promise.withResolvers<RequestFacts>()
  const server = createRegistryServer(
    {
      registry: () => ({
        blobs: {
          ...createMemoryStorage().blobs,
          stat: async () => ({ sizeBytes: Number.MAX_SAFE_INTEGER }),
          open: async () => endless,
        },
        manifest: async () => image(),
        storedManifest: async () => undefined,
        refuse: async () => undefined,
        near: async () => [],
      }),
      log: { request: logged.resolve, failure: () => {} },
    },
    // Counted from the connection on, and its request must not be late on a busy machine.
    500,
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  context.after(() => socket.destroy())
  socket.write(`GET /v2/git/blobs/${digestOf(blob)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.equal((await logged.promise).complete, false)
  assert.equal(endless.destroyed, true)
})

test('close() lets an answer that waits in memory for its client be sent', async (context) => {
  // More than the system takes of a client that does not read yet.
  const sizeBytes = 32 * 1024 * 1024
  const whole = new Readable({
    read() {
      this.push(Buffer.alloc(sizeBytes))
      this.push(null)
    },
  })
  const server = createRegistryServer({
    registry: () => ({
      blobs: {
        ...createMemoryStorage().blobs,
        stat: async () => ({ sizeBytes }),
        open: async () => whole,
      },
      manifest: async () => image(),
      storedManifest: async () => undefined,
      refuse: async () => undefined,
      near: async () => [],
    }),
    log: { request: () => {}, failure: () => {} },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.closeAllConnections())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  socket.write(
    `GET /v2/git/blobs/${digestOf(blob)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  )
  await once(whole, 'end')
  server.close()
  assert.ok((await buffer(socket)).length > sizeBytes)
})

test('close() ends the connections that wait for their next request', async (context) => {
  const { port, server } = await startRegistry(context)
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  server.close()
  await once(server, 'close')
})

test('what is no HTTP request is refused in JSON, but not in the midst of an answer', async (context) => {
  const { port, requests } = await startRegistry(context, () => new Promise(() => {}))
  const exchange = async (text: string) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(text)
    return (await buffer(socket)).toString()
  }
  const cases: ReadonlyArray<readonly [text: string, status: number]> = [
    ['NONSENSE\r\n\r\n', 400],
    [`GET /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ]
  for (const [text, status] of cases) {
    const [head = '', body = ''] = (await exchange(text)).split('\r\n\r\n')
    assert.ok(head.startsWith(`HTTP/1.1 ${status} `), head)
    assert.match(head, new RegExp(`Content-Length: ${body.length}\\b`))
    const [error] = JSON.parse(body).errors
    assert.equal(error.code, 'UNSUPPORTED')
    const logged = requests.at(-1)
    assert.deepEqual([logged?.status, logged?.reason], [status, error.message])
  }
  assert.equal(requests.length, cases.length)
  for (const header of ['Host: x\r\nExpect: nothing', 'X-No: host']) {
    const answered = await exchange(`GET /v2/ HTTP/1.1\r\n${header}\r\nConnection: close\r\n\r\n`)
    assert.ok(answered.startsWith('HTTP/1.1 200 '), header)
  }
  assert.equal(
    await exchange('GET /v2/a/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n?\r\n\r\n'),
    '',
  )
})

test('tags are listed, sorted and paged', async (context) => {
  const { send } = await startRegistry(context)
  const cases: ReadonlyArray<readonly [query: string, tags: readonly string[]]> = [
    ['', ['latest']],
    ['?n=1', ['latest']],
    ['?n=0', []],
    ['?last=aaa', ['latest']],
    ['?last=latest', []],
  ]
  for (const [query, tags] of cases) {
    const answer = await send('GET', `/v2/shell/git/tags/list${query}`)
    assert.deepEqual(JSON.parse(answer.body), { name: 'shell/git', tags }, query)
    assert.equal(answer.headers.link, undefined)
  }
})

test('where the service has names, requests for others are refused on every path', async (context) => {
  const names = new Set(['registry.example.org'])
  const { send } = await startRegistry(context, undefined, undefined, names)
  const paths = { '/': 404, '/v2/': 200, '/v2/git/manifests/latest': 200, '/metrics': 200 }
  for (const [path, status] of Object.entries(paths)) {
    const refused = await send('GET', path, { Host: 'evil.example' })
    assert.equal(refused.status, 421, path)
    assert.match(refused.body, /NIXERY_HOSTNAMES/)
    const taken = await send('GET', path, { Host: 'registry.example.org:5000' })
    assert.equal(taken.status, status, path)
  }
})

test('requests are logged with what was sent', async (context) => {
  const { send, requests } = await startRegistry(context)
  await send('GET', `/v2/git/blobs/${digestOf(blob)}`, { 'User-Agent': 'docker/1' })
  const { method, path, status, userAgent, complete, sentBytes } = requests[0] as RequestFacts
  assert.deepEqual(
    { method, path, status, userAgent, complete },
    {
      method: 'GET',
      path: `/v2/git/blobs/${digestOf(blob)}`,
      status: 200,
      userAgent: 'docker/1',
      complete: true,
    },
  )
  assert.ok(sentBytes > blob.length)
  assert.ok(!('reason' in requests[0]!), 'nothing was refused')
})

test('where clients can reach the storage, GET of a blob leads there and HEAD is answered', async (context) => {
  const located: string[] = []
  const { send, requests } = await startRegistry(context, undefined, {
    async locate(digest) {
      located.push(digest)
      return new URL(`https://bucket.example/layers/${digest.slice(7)}?signature=a%2Fb`)
    },
  })
  const path = `/v2/shell/blobs/${digestOf(blob)}`
  for (const headers of [{}, { range: 'bytes=0-3' }]) {
    const answer = await send('GET', `${path}?ns=registry.example`, headers)
    assert.deepEqual([answer.status, answer.body], [303, ''])
    const hex = digestOf(blob).slice(7)
    assert.equal(
      answer.headers.location,
      `https://bucket.example/layers/${hex}?signature=a%2Fb`,
      'nothing of the request is in the address',
    )
    assert.equal(answer.headers['docker-content-digest'], digestOf(blob))
    assert.equal(answer.headers['cache-control'], 'no-store')
  }
  const head = await send('HEAD', path)
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(blob.length)])
  const unchanged = await send('GET', path, { 'if-none-match': '*' })
  assert.equal(unchanged.status, 304)
  const absent = await send('GET', `/v2/shell/blobs/${digestOf('absent')}`)
  assert.equal(errorCode(absent), 'BLOB_UNKNOWN', 'no client is sent to what is not there')
  assert.equal(located.length, 2)
  assert.deepEqual(
    requests.map(({ status }) => status),
    [303, 303, 200, 304, 404],
  )
})

test('GET /metrics answers what is counted', async (context) => {
  const { send } = await startRegistry(context)
  const answer = await send('GET', '/metrics')
  assert.deepEqual(
    [answer.status, answer.headers['content-type'], answer.body],
    [200, 'text/plain', 'nixery_builds_running 0\n'],
  )
  assert.equal((await send('HEAD', '/metrics')).body, '')
  assert.equal(errorCode(await send('POST', '/metrics')), 'UNSUPPORTED')
})
