import type { Clock } from '#engine/ports/clock.ts'
import type { Exchange } from '../registry/response.ts'

/** Text that grows, such as the events of a build. It is asked for more only when the client takes it. */
export interface LiveText {
  /** What has come up since the last call; `undefined` for nothing yet. */
  next(): string | undefined
  /** Whether nothing more will come up. */
  isOver(): boolean
  /** Calls back whenever there may be more. */
  follow(listener: () => void, signal: AbortSignal): void
  /** What says nothing and keeps a connection alive; '' where there is no such text. */
  readonly heartbeat: string
  /** What to say when the service ends before the text does; '' for nothing. */
  readonly farewell: string
}

export interface LiveOptions {
  readonly clock: Clock
  /** Aborts when the service is about to end. */
  readonly ending: AbortSignal
}

// Below the 30 s after which the impatient ones of the usual proxies cut a silent connection.
export const heartbeatMs = 15_000

// A client that takes nothing for a minute is gone, or wants the memory.
const mostStalledBeats = 4

// Each holds a connection and what Node buffers of it: some 50 KB, so 25 MB. A page has one.
const usualMost = 500

/**
 * Sends texts that grow. Nothing is kept for a client that reads slowly: it gets the next piece when it
 * has taken the last one, and is cut off when it takes nothing.
 */
export class LiveAnswers {
  #open = 0
  readonly #most: number

  constructor(most = usualMost) {
    this.#most = most
  }

  /** Whether another one may be opened. */
  get hasRoom(): boolean {
    return this.#open < this.#most
  }

  send(
    { request, response }: Exchange,
    contentType: string,
    live: LiveText,
    options: LiveOptions,
  ): void {
    response.writeHead(200, {
      'Content-Type': contentType,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // nginx would keep events until it has enough of them.
      'X-Accel-Buffering': 'no',
    })
    // What is closed already would never be counted off.
    if (request.method === 'HEAD' || response.closed) return void response.end()
    this.#open += 1
    response.once('close', () => {
      this.#open -= 1
    })
    // A quiet log has no heartbeat, and the limit of the server is for clients that take nothing.
    const stallMs = response.socket?.timeout ?? 0
    response.socket?.setTimeout(0)
    response.flushHeaders()
    sendLive(response, live, { ...options, stallMs })
  }
}

function sendLive(
  response: Exchange['response'],
  live: LiveText,
  { clock, ending, stallMs }: LiveOptions & { readonly stallMs: number },
): void {
  const over = new AbortController()
  let stalledBeats = 0
  let stopBeat = clock.after(heartbeatMs, beat)

  function end(lastWords?: string): void {
    leave()
    // Nobody beats any more: a client that does not take the rest would keep its place for ever.
    response.socket?.setTimeout(stallMs)
    if (!response.writableEnded) response.end(lastWords)
  }

  function leave(): void {
    over.abort()
    stopBeat()
    ending.removeEventListener('abort', farewell)
  }

  function farewell(): void {
    end(live.farewell)
  }

  function pump(): void {
    while (!over.signal.aborted && !response.writableNeedDrain) {
      const text = live.next()
      if (text !== undefined) response.write(text)
      else if (live.isOver()) end()
      else return
    }
  }

  function beat(): void {
    stopBeat = clock.after(heartbeatMs, beat)
    stalledBeats = response.writableNeedDrain ? stalledBeats + 1 : 0
    if (stalledBeats === mostStalledBeats) response.destroy()
    else if (stalledBeats === 0 && live.heartbeat !== '') response.write(live.heartbeat)
  }

  response.once('close', leave)
  response.on('drain', () => {
    stalledBeats = 0
    pump()
  })
  if (ending.aborted) return farewell()
  ending.addEventListener('abort', farewell)
  live.follow(pump, over.signal)
  pump()
}
