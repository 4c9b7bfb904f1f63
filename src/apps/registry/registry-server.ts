import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { BoundedMap } from '#core/memory/bounded-map.ts'
import { formatRegistryError } from '#core/oci/error-codes.ts'
import { parseRoute, type Route } from '#core/oci/route.ts'
import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import type { RequestLog } from '#engine/ports/request-log.ts'
import { operatingRefusal } from './failure-refusal.ts'
import { readSentBytes } from './kernel-socket.ts'
import { recallAnswer, sendAnswer } from './manifest-answers.ts'
import { isOwnHost } from './own-host.ts'
import { receiveBody, type ReceivedBody } from './receive-body.ts'
import type { Registry } from './registry.ts'
import { sendBody, sendRefusal, type Exchange, type NotedFacts } from './response.ts'
import { serveBlob } from './serve-blob.ts'
import { serveMetrics, type ServedMetrics } from './serve-metrics.ts'
import { serveManifestRequest } from './serve-manifest-request.ts'
import { serveTags } from './serve-tags.ts'
import { Turns } from './turns.ts'

// An import would also load the client of web sockets, which takes as long as Node itself.
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

// Longer than the longest wait for a build, when nothing moves either.
const longestStallMs = 300_000

// What nginx calls it; no client is ever sent one.
const clientClosedRequest = 499

/** What a server answers from. */
export interface ServedRegistry {
  /** Throws an `OperatingError` while there is nothing to serve yet. */
  registry(): Registry
  /** Answered at `/metrics`. */
  readonly metrics?: ServedMetrics
  /** Answers what is no path of the registry; false when it is not its own either. */
  readonly web?: (exchange: Exchange) => Promise<boolean>
  readonly log: RequestLog
  /** See `isOwnHost`. */
  readonly hostNames?: ReadonlySet<string> | undefined
}

/**
 * The registry API over HTTP. Node's own defaults keep a stalled request for over 80 seconds, so
 * the limits on receiving one are set. Sending may take as long as it moves, because layers are
 * large and links slow; a client that takes nothing for `stallMs` would keep a file open for ever.
 */
export function createRegistryServer(served: ServedRegistry, stallMs = longestStallMs): Server {
  const turns = new Turns()
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const exchange = openExchange(served.log, turns, request, response)
    turns.take(request.socket, () => answer(served, exchange))
  }
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000, // longer than the 60 s after which common load balancers drop a connection
      maxHeaderSize: 32 * 1024,
      // Node's own refusal has no body; browsers always name the host, see own-host.ts.
      requireHostHeader: false,
    },
    handle,
  )
  // As any other request: what a client expects beside 100-continue is ignored.
  server.on('checkExpectation', handle)
  // Node's own, which close() calls too, takes an answer for sent once all of it is in memory: a slow
  // client would lose the end of its download.
  server.closeIdleConnections = () => turns.closeIdle()
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (turns.isOpen(socket) || !socket.writable) socket.destroy()
    else refuseUnreadable(served.log, error, socket)
  })
  return server.setTimeout(stallMs)
}

/** Answers what is no HTTP request, in the words that every other refusal has. */
function refuseUnreadable(
  log: RequestLog,
  { code, message }: NodeJS.ErrnoException,
  socket: Duplex,
): void {
  // Node would say 408 to a client that is too slow, which container runtimes repeat at once.
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return void socket.destroy()
  const tooLong = code === 'HPE_HEADER_OVERFLOW'
  const status = tooLong ? 431 : 400
  const reason = tooLong
    ? 'the request has more than 32 KiB before its body'
    : `no HTTP request: ${message}`
  const body = formatRegistryError('UNSUPPORTED', reason)
  const answer = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
  socket.end(answer)
  log.request({
    method: '',
    path: '',
    status,
    sentBytes: Buffer.byteLength(answer),
    durationMs: 0,
    userAgent: '',
    complete: true,
    reason,
  })
}

/** What has a client, until the client hangs up. */
class OpenExchange implements Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly body: Promise<ReceivedBody> | undefined
  noted: NotedFacts = {}
  isOver = false
  /** Only what has to be waited for needs one, and making one costs as much as parsing the request. */
  #hangUp: AbortController | undefined

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    this.path = pathOf(request.url ?? '/')
    // What a client sends along must not stall its connection.
    if (request.method === 'POST' && this.path.startsWith('/api/')) this.body = receiveBody(request)
    else request.resume()
  }

  get signal(): AbortSignal {
    if (this.#hangUp === undefined) {
      this.#hangUp = new AbortController()
      if (this.isOver) this.hangUp()
    }
    return this.#hangUp.signal
  }

  hangUp(): void {
    this.isOver = true
    this.#hangUp?.abort(new DOMException('the client hung up', 'AbortError'))
  }
}

function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

function openExchange(
  log: RequestLog,
  turns: Turns,
  request: IncomingMessage,
  response: ServerResponse,
): OpenExchange {
  const startedAt = performance.now()
  const { socket } = request
  const exchange = new OpenExchange(request, response)
  const sentBefore = readSentBytes(socket)
  response.once('close', () => {
    if (!response.writableFinished) exchange.hangUp()
    log.request({
      method: request.method ?? '',
      path: exchange.path,
      status: response.headersSent ? response.statusCode : clientClosedRequest,
      sentBytes: readSentBytes(socket) - sentBefore,
      durationMs: performance.now() - startedAt,
      userAgent: request.headers['user-agent'] ?? '',
      ...exchange.noted,
      complete: response.writableFinished,
    })
    turns.end(socket)
  })
  return exchange
}

function answer(served: ServedRegistry, exchange: OpenExchange): void {
  if (exchange.isOver) return
  try {
    if (!isOwnHost(exchange.request.headers.host, served.hostNames))
      return sendMisdirected(exchange)
    const route = readRoute(exchange.path)
    if (!answerAtOnce(served, exchange, route))
      dispatch(served, exchange, route).catch((error: unknown) =>
        refuse(served.log, exchange, error),
      )
  } catch (error) {
    refuse(served.log, exchange, error)
  }
}

// Whoever pulls asks for the same few again; strangers make up others.
const routes = new BoundedMap<string, Route>(2000)
const longestKeptPath = 400

function readRoute(path: string): Route {
  const known = routes.get(path)
  if (known !== undefined) return known
  const route = parseRoute(path)
  if (path.length <= longestKeptPath) routes.set(path, route)
  return route
}

/** What was answered a moment ago needs nothing but memory: no waiting, no signals. */
function answerAtOnce(served: ServedRegistry, exchange: Exchange, route: Route): boolean {
  if (route.kind !== 'manifest' || !isRead(exchange)) return false
  const answer = recallAnswer(exchange, served.registry(), route.name, route.reference)
  if (answer === undefined) return false
  sendAnswer(exchange, answer)
  return true
}

async function dispatch(served: ServedRegistry, exchange: Exchange, route: Route): Promise<void> {
  if (exchange.path === '/metrics' && served.metrics !== undefined)
    return serveMetrics(exchange, served.metrics)
  if (route.kind === 'unknown') {
    if ((await served.web?.(exchange)) !== true) sendUnknownRoute(exchange)
    return
  }
  if (route.kind === 'malformed') return sendRefusal(exchange, { status: 400, ...route })
  if (route.kind === 'upload' || !isRead(exchange)) return sendReadOnly(exchange)
  const registry = served.registry()
  switch (route.kind) {
    case 'base':
      return sendBody(exchange, 200, { 'Content-Type': 'application/json' }, '{}')
    case 'manifest':
      return serveManifestRequest(exchange, registry, route.name, route.reference)
    case 'blob':
      return serveBlob(exchange, registry, route.digest)
    case 'tags':
      return serveTags(exchange, route.name)
  }
}

function isRead(exchange: Exchange): boolean {
  return exchange.request.method === 'GET' || exchange.request.method === 'HEAD'
}

function sendReadOnly(exchange: Exchange): void {
  sendRefusal(exchange, {
    status: 405,
    code: 'UNSUPPORTED',
    message: 'images are built here, not pushed: only GET and HEAD work',
    headers: { Allow: 'GET, HEAD' },
  })
}

function sendMisdirected(exchange: Exchange): void {
  sendRefusal(exchange, {
    status: 421,
    code: 'DENIED',
    message:
      'this registry is not called by that name: use one that its operator lists in NIXERY_HOSTNAMES',
  })
}

function sendUnknownRoute(exchange: Exchange): void {
  sendRefusal(exchange, {
    status: 404,
    code: 'UNSUPPORTED',
    message:
      'this is a container registry: pull from it, for example docker pull <this host>/shell/git',
  })
}

/** Answers an error that a handler threw, if the client still listens. */
function refuse(log: RequestLog, exchange: Exchange, error: unknown): void {
  const { request, response } = exchange
  if (exchange.signal.aborted) return
  if (!isExpected(error)) log.failure(error, { method: request.method ?? '', path: exchange.path })
  // After the headers only a broken connection tells the client that the body is not whole.
  if (response.headersSent) response.destroy()
  else sendRefusal(exchange, operatingRefusal(error))
}

/** Overload and patience are part of normal work; the request log has them. */
const expected: readonly unknown[] = [
  'OVERLOADED',
  'STILL_BUILDING',
  'STARTING',
  'SHUTTING_DOWN',
] satisfies OperatingCode[]

function isExpected(error: unknown): boolean {
  return error instanceof OperatingError && expected.includes(error.code)
}
