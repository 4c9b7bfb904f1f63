import type { z } from 'zod'
import type { BuildProgress, BuildSummary, RecordedEvent } from '#core/api/build-progress.ts'
import type { ImageOrder, PlacedOrder } from '#core/api/image-order.ts'
import type { ImageView } from '#core/api/image-view.ts'
import { apiSchemas } from '../web/api-schemas.ts'
import { readEventStream } from './event-stream.ts'

/** A server that gives no answer to use, or refuses; the message says what to do. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal'
  /** Of HTTP; `undefined` when there was no answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** What comes by the event stream of a build: all that is known, then fact by fact. */
export type BuildMessage =
  | { readonly kind: 'progress'; readonly progress: BuildProgress }
  | { readonly kind: 'event'; readonly recorded: RecordedEvent }
  /** Nothing more will come. */
  | { readonly kind: 'over' }

/** The API of a service (`/api/v1`), as far as it tells of builds. */
export class BuildService {
  readonly #server: URL
  readonly #fetch: typeof fetch

  constructor(server: URL, fetchBy: typeof fetch = fetch) {
    this.#server = server
    this.#fetch = fetchBy
  }

  /** Where it is, for people. */
  get address(): string {
    return this.#server.origin
  }

  /** Throws unless a service is there that tells of its builds. */
  async require(signal: AbortSignal): Promise<void> {
    const response = await this.#send('api/v1/service', {}, signal)
    if (response.ok && apiSchemas.ServiceInfo.safeParse(await readJson(response)).success) return
    const registry = await this.#send('v2/', {}, signal)
    await registry.body?.cancel()
    throw new ServiceRefusal(
      registry.headers.has('docker-distribution-api-version')
        ? `the registry at ${this.address} tells nothing of its builds: it has NIXERY_WEB=off, or it is no Nixery of this version`
        : `no Nixery answers at ${this.address}: say where it is with --server`,
      response.status,
    )
  }

  async list(signal: AbortSignal): Promise<readonly BuildSummary[]> {
    const found = await this.#get('builds?limit=200', apiSchemas.BuildList, signal)
    return found?.builds ?? []
  }

  find(id: string, signal: AbortSignal): Promise<BuildProgress | undefined> {
    return this.#get(`builds/${id}`, apiSchemas.BuildProgress, signal)
  }

  /** The image that a name and a tag stand for on each platform where it is stored; none elsewhere. */
  async findImages(name: string, tag: string, signal: AbortSignal): Promise<readonly ImageView[]> {
    const find = (wanted: Readonly<Record<string, string>>) => {
      const query = new URLSearchParams({ name, tag, ...wanted })
      return this.#get(`image?${query.toString()}`, apiSchemas.ImageView, signal)
    }
    const first = await find({})
    if (first === undefined) return []
    const others = first.platforms.filter((platform) => platform !== first.platform)
    const found = await Promise.all(others.map((platform) => find({ platform })))
    return [first, ...found.filter((image) => image !== undefined)]
  }

  async placeOrder(name: string, tag: string, signal: AbortSignal): Promise<PlacedOrder> {
    const response = await this.#send(
      'api/v1/orders',
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ name, tag }),
      },
      signal,
    )
    return this.#read(response, apiSchemas.PlacedOrder)
  }

  findOrder(id: string, signal: AbortSignal): Promise<ImageOrder | undefined> {
    return this.#get(`orders/${id}`, apiSchemas.ImageOrder, signal)
  }

  async cancelOrder({ order, token }: PlacedOrder, signal: AbortSignal): Promise<void> {
    const headers = { Authorization: `Bearer ${token}` }
    const response = await this.#send(
      `api/v1/orders/${order.id}`,
      { method: 'DELETE', headers },
      signal,
    )
    await response.body?.cancel()
  }

  /** What builders printed, oldest first; nothing where the service does not show it. */
  async log(
    id: string,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const response = await this.#send(`api/v1/builds/${id}/log`, { headers }, signal)
    const text = await readText(response)
    return response.ok ? text.split('\n').filter((line) => line !== '') : []
  }

  /** From an event on, until the connection or the build ends. */
  async *events(
    id: string,
    lastEvent: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<BuildMessage> {
    const headers = lastEvent === undefined ? {} : { 'Last-Event-ID': String(lastEvent) }
    const response = await this.#send(
      `api/v1/builds/${id}/events`,
      { headers: { ...headers, Accept: 'text/event-stream' } },
      signal,
      'stream',
    )
    if (response.status === 204) return yield { kind: 'over' }
    if (!response.ok || response.body === null) return await this.#refuse(response)
    try {
      for await (const { event, data } of readEventStream(response.body)) {
        if (event === 'progress')
          yield { kind: 'progress', progress: apiSchemas.BuildProgress.parse(JSON.parse(data)) }
        else {
          // A newer service may tell what this command does not know.
          const recorded = apiSchemas.RecordedEvent.safeParse(JSON.parse(data))
          if (recorded.success) yield { kind: 'event', recorded: recorded.data }
        }
      }
    } catch (cause) {
      signal.throwIfAborted()
      throw new ServiceRefusal(`the connection to ${this.address} broke off`, undefined, { cause })
    }
  }

  async #get<Value>(
    path: string,
    schema: z.ZodType<Value>,
    signal: AbortSignal,
  ): Promise<Value | undefined> {
    const response = await this.#send(`api/v1/${path}`, {}, signal)
    if (response.status !== 404) return this.#read(response, schema)
    await response.body?.cancel()
    return undefined
  }

  async #read<Value>(response: Response, schema: z.ZodType<Value>): Promise<Value> {
    if (!response.ok) return this.#refuse(response)
    const parsed = schema.safeParse(await readJson(response))
    if (parsed.success) return parsed.data
    throw new ServiceRefusal(`${this.address} gives an answer that is not understood here`, 200)
  }

  async #refuse(response: Response): Promise<never> {
    const problem = apiSchemas.Problem.safeParse(await readJson(response))
    const why = problem.success ? problem.data.detail : `it answers ${response.status}`
    throw new ServiceRefusal(`${this.address}: ${why}`, response.status)
  }

  async #send(
    path: string,
    init: RequestInit,
    signal: AbortSignal,
    kind: 'answer' | 'stream' = 'answer',
  ): Promise<Response> {
    const deadline = kind === 'stream' ? [] : [AbortSignal.timeout(answerMs)]
    try {
      return await this.#fetch(new URL(path, withSlash(this.#server)), {
        ...init,
        signal: AbortSignal.any([signal, ...deadline]),
      })
    } catch (cause) {
      signal.throwIfAborted()
      // A stream that broke off is asked for again where it was.
      const advice = kind === 'stream' ? '' : ', start it or say where it is with --server'
      throw new ServiceRefusal(`${this.address} cannot be reached${advice}`, undefined, { cause })
    }
  }
}

// Placing an order takes ten seconds at most.
const answerMs = 30_000

/** A service may be below a path of its server. */
function withSlash(url: URL): URL {
  return url.pathname.endsWith('/') ? url : new URL(`${url.pathname}/`, url)
}

// A service keeps 200,000 characters of a log; a list of builds and a build of 10,000 paths are as long.
const longestAnswer = 8 * 1024 * 1024

async function readText(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > longestAnswer)
      throw new ServiceRefusal(
        `${new URL(response.url).origin} answers without end`,
        response.status,
      )
  }
  return text
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return JSON.parse(await readText(response))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
