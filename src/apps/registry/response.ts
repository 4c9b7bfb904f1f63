import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatRegistryError, type RegistryErrorCode } from '#core/oci/error-codes.ts'
import type { RequestFacts } from '#engine/ports/request-log.ts'
import type { ReceivedBody } from './receive-body.ts'

/** What the request log has to know beside status and headers. */
export type NotedFacts = Partial<
  Pick<RequestFacts, 'reason' | 'leftOut' | 'source' | 'revision' | 'staleSince'>
>

/** One request with its response. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The path without its query: mirrors add `?ns=<registry>`, which means nothing here. */
  readonly path: string
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal
  /** Of requests that may have one that somebody reads. */
  readonly body?: Promise<ReceivedBody> | undefined
  noted: NotedFacts
}

export type Headers = Readonly<Record<string, string | number>>

/** Names and values in turn: Node takes such a list as it is. */
export type HeaderList = readonly string[]

/** A refusal as the distribution specification words it. */
export interface Refusal {
  readonly status: number
  readonly code: RegistryErrorCode
  readonly message: string
  readonly headers?: Headers
}

/** The headers of an answer, in the form that costs the least; all answers name the API's version. */
export function listHeaders(headers: Headers): HeaderList {
  return ['Docker-Distribution-Api-Version', 'registry/2.0', ...Object.entries(headers).flat()].map(
    String,
  )
}

export function writeHead({ response }: Exchange, status: number, headers: Headers): void {
  response.writeHead(status, listHeaders(headers) as string[])
}

/** Sends a whole body; for HEAD only its headers, and for 304 neither body nor length. */
export function sendBody(
  exchange: Exchange,
  status: number,
  headers: Headers,
  body: string | Uint8Array,
): void {
  const { request, response } = exchange
  writeHead(exchange, status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

export function sendRefusal(exchange: Exchange, refusal: Refusal): void {
  exchange.noted = { ...exchange.noted, reason: refusal.message }
  sendBody(
    exchange,
    refusal.status,
    { 'Content-Type': 'application/json', ...refusal.headers },
    formatRegistryError(refusal.code, refusal.message),
  )
}

export function sendNotModified(exchange: Exchange, headers: Headers): void {
  writeHead(exchange, 304, headers)
  exchange.response.end()
}
