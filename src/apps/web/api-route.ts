import type { z } from 'zod'
import type { WebMode } from '#core/api/service-info.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { Exchange } from '../registry/response.ts'
import type { ApiAnswer } from './api-answer.ts'
import type { ApiSchemaName } from './api-schemas.ts'
import type { WebServices } from './web-services.ts'

/** One request to a route, its path and its query read. */
export interface Call<Query = object> {
  /** Of `{id}` in the path; '' where there is none. */
  readonly id: string
  readonly query: Query
  /** Of the `Authorization` header. */
  readonly token: string | undefined
  readonly exchange: Exchange
  readonly services: WebServices
  readonly web: WebMode
  readonly clock: Clock
}

/** What a route answers with a status, for the OpenAPI document. */
export interface DocumentedAnswer {
  readonly about: string
  /** JSON of that schema; problems need none. */
  readonly schema?: ApiSchemaName
  /** Anything else than JSON. */
  readonly contentType?: string
}

export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/api/v1`, with at most one `{id}`. */
  readonly path: string
  readonly summary: string
  readonly about?: string
  readonly query?: z.ZodObject
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ApiSchemaName
  /** Whether a token of an order is asked for, or shows more. */
  readonly token?: 'needed' | 'optional'
  readonly answers: Readonly<Record<number, DocumentedAnswer>>
  /** Whether the service has it; a route that it has not is not found. */
  isServed?(services: WebServices): boolean
  answer(call: Call): ApiAnswer | Promise<ApiAnswer>
}

/** A route whose handler knows the type of its query. */
export function routeWithQuery<Query extends z.ZodObject>(
  route: Omit<ApiRoute, 'answer'> & {
    readonly query: Query
    answer(call: Call<z.output<Query>>): ApiAnswer | Promise<ApiAnswer>
  },
): ApiRoute {
  const answers = { 400: { about: 'The query is none that this path takes.' }, ...route.answers }
  return {
    ...route,
    answers,
    answer: (call) => route.answer({ ...call, query: route.query.parse(call.query) }),
  }
}
