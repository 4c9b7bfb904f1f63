import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatRegistryError, type RegistryErrorCode } from '#core/oci/error-codes.ts'

/** One request with its response. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The path without its query: mirrors add `?ns=<registry>`, which means nothing here. */
  readonly path: string
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal
  /** What the request log has to know beside status and headers. */
  readonly noted: { reason?: string; leftOut?: readonly string[] }
}

export type Headers = Readonly<Record<string, string | number>>

/** A refusal as the distribution specification words it. */
export interface Refusal {
  readonly status: number
  readonly code: RegistryErrorCode
  readonly message: string
  readonly headers?: Headers
}

/** Sends a whole body; for HEAD only its headers, and for 304 neither body nor length. */
export function sendBody(
  exchange: Exchange,
  status: number,
  headers: Headers,
  body: string | Uint8Array,
): void {
  const { request, response } = exchange
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

export function sendRefusal(exchange: Exchange, refusal: Refusal): void {
  exchange.noted.reason = refusal.message
  sendBody(
    exchange,
    refusal.status,
    { 'Content-Type': 'application/json', ...refusal.headers },
    formatRegistryError(refusal.code, refusal.message),
  )
}

export function sendNotModified(exchange: Exchange, headers: Headers): void {
  exchange.response.writeHead(304, headers)
  exchange.response.end()
}
