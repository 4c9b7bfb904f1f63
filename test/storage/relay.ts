import { once } from 'node:events'
import {
  request as startRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './fault.ts'

export interface RelayTarget {
  readonly url: URL
  readonly renamesHost: boolean
}

/** One request on its way to the bucket and back. */
export class Relay {
  readonly #target: RelayTarget
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #happened: (fault: Fault) => void
  readonly #gone: AbortSignal

  constructor(
    target: RelayTarget,
    request: IncomingMessage,
    response: ServerResponse,
    happened: (fault: Fault) => void,
  ) {
    this.#target = target
    this.#request = request
    this.#response = response
    this.#happened = happened
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    this.#gone = gone.signal
  }

  async run(fault: Fault | undefined): Promise<void> {
    switch (fault?.kind) {
      case 'black-hole':
        return this.#happened(fault)
      case 'answer':
        return this.#answerItself(fault)
      case 'cut':
      case 'reset':
        return this.#breakUpload(fault)
      case 'delay':
        this.#happened(fault)
        await delay(fault.delayMs, undefined, { signal: this.#gone })
        return this.#passAnswer(await this.#ask())
      case 'hold':
        this.#happened(fault)
        await fault.until
        return this.#passAnswer(await this.#ask())
      case 'lose-answer': {
        const answer = await this.#ask()
        await this.#pass(answer.resume())
        this.#happened(fault)
        return void this.#socket.resetAndDestroy()
      }
      case 'truncate':
        return this.#truncateAnswer(await this.#ask(), fault)
      case undefined:
        return this.#passAnswer(await this.#ask())
    }
  }

  get #socket(): Socket {
    return this.#request.socket
  }

  async #answerItself(fault: Extract<Fault, { kind: 'answer' }>): Promise<void> {
    // A client that is still sending might see a broken connection rather than the answer.
    await this.#pass(this.#request)
    this.#happened(fault)
    const { status, headers = {}, body = '' } = fault.answer
    this.#response
      .writeHead(status, {
        ...headers,
        'Content-Length': Buffer.byteLength(body),
        Connection: 'close',
      })
      .end(this.#request.method === 'HEAD' ? '' : body)
  }

  async #breakUpload(fault: Extract<Fault, { kind: 'cut' | 'reset' }>): Promise<void> {
    const upstream = this.#connect()
    // It may refuse before it has read everything.
    const sent = this.#pass(this.#request, upstream, fault.afterBytes)
    await Promise.allSettled([Promise.race([sent, answerOf(upstream)])])
    upstream.destroy()
    this.#happened(fault)
    if (fault.kind === 'reset') return void this.#socket.resetAndDestroy()
    this.#socket.end()
    // Closing with bytes unread would be a reset.
    this.#request.resume()
  }

  async #passAnswer(answer: IncomingMessage): Promise<void> {
    this.#writeHead(answer)
    await this.#pass(answer, this.#response)
    this.#response.end()
  }

  async #truncateAnswer(
    answer: IncomingMessage,
    fault: Extract<Fault, { kind: 'truncate' }>,
  ): Promise<void> {
    const wholeBytes = Number(answer.headers['content-length'] ?? Infinity)
    if (wholeBytes === 0 || this.#request.method === 'HEAD') return this.#passAnswer(answer)
    this.#writeHead(answer)
    this.#response.flushHeaders()
    await this.#pass(answer, this.#response, Math.min(fault.afterBytes, wholeBytes - 1))
    answer.destroy()
    this.#happened(fault)
    this.#socket.end()
  }

  /** Sends the whole request to the bucket and waits for the head of its answer. */
  async #ask(): Promise<IncomingMessage> {
    const upstream = this.#connect()
    const answered = answerOf(upstream)
    const sent = this.#pass(this.#request, upstream).then(() => upstream.end())
    // What keeps the request from being sent shows in the answer, too.
    sent.catch(() => {})
    return await answered
  }

  #connect(): ClientRequest {
    const { url, renamesHost } = this.#target
    const headers = endToEnd(this.#request.rawHeaders)
    if (renamesHost) headers[headers.findIndex((text) => /^host$/i.test(text)) + 1] = url.host
    const upstream = startRequest({
      host: url.hostname,
      port: url.port,
      method: this.#request.method,
      path: this.#request.url,
      headers,
      // A kept connection might end just when it is used again: a fault of nobody's plan.
      agent: false,
    })
    upstream.on('error', () => {
      // Told by `answerOf` to whoever waits.
    })
    this.#gone.addEventListener('abort', () => upstream.destroy(), { once: true })
    return upstream
  }

  #writeHead(answer: IncomingMessage): void {
    this.#response.sendDate = false
    this.#response.writeHead(answer.statusCode!, answer.statusMessage, endToEnd(answer.rawHeaders))
  }

  /** Passes bytes on as fast as they are taken, up to a number of them; drops them without a `to`. */
  async #pass(from: Readable, to?: Writable, mostBytes = Infinity): Promise<void> {
    let leftBytes = mostBytes
    if (leftBytes === 0) return
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, leftBytes)
      leftBytes -= part.length
      if (to?.write(part) === false) await once(to, 'drain', { signal: this.#gone })
      if (leftBytes === 0) return
    }
  }
}

function answerOf(upstream: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once('response', resolve).once('error', reject)
    upstream.once('close', () => reject(new Error('the connection to the bucket is closed')))
  })
}

/** Headers, name after value, without those that are about one connection only. */
function endToEnd(rawHeaders: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2)
    if (!/^(connection|keep-alive)$/i.test(name)) kept.push(name, value)
  }
  return kept
}
