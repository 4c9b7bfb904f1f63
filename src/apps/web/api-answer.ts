import { STATUS_CODES } from 'node:http'
import type { Problem } from '#core/api/service-info.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import type { Exchange, Headers } from '../registry/response.ts'
import type { LiveText } from './live-answers.ts'

/** What a route of the API answers; `web-api.ts` sends it. */
export type ApiAnswer =
  | WholeAnswer
  | { readonly kind: 'live'; readonly contentType: string; readonly text: LiveText }

export type WholeAnswer =
  | {
      readonly kind: 'json'
      readonly status: number
      readonly value: object
      readonly headers?: Headers
    }
  | {
      readonly kind: 'problem'
      readonly problem: Problem
      readonly headers?: Headers
    }
  | { readonly kind: 'nothing'; readonly status: 204 }

export function json(value: object): WholeAnswer {
  return { kind: 'json', status: 200, value }
}

/** @param detail what to do; it may repeat what the client sent, and becomes one line */
export function problem(status: number, detail: string, headers: Headers = {}): WholeAnswer {
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    kind: 'problem',
    problem: { title, status, detail: formatOneLine(detail, longestDetail) },
    headers,
  }
}

// The longest message of a failed build has 1,000 characters; a query may have 32 KiB.
const longestDetail = 1100

/** Sends a whole answer. What it says is of this moment, and a browser must not take it for a page. */
export function sendWhole(exchange: Exchange, answer: WholeAnswer): void {
  const { request, response } = exchange
  const always = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }
  if (answer.kind === 'nothing') return void response.writeHead(answer.status, always).end()
  const [status, value, contentType] =
    answer.kind === 'json'
      ? [answer.status, answer.value, 'application/json']
      : [answer.problem.status, answer.problem, 'application/problem+json']
  if (answer.kind === 'problem') exchange.noted = { reason: answer.problem.detail }
  const body = JSON.stringify(value)
  response.writeHead(status, {
    ...always,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    ...answer.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
