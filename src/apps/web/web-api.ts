import { idPattern } from '#core/api/id.ts'
import type { WebMode } from '#core/api/service-info.ts'
import { describeFault, operatingErrors, OperatingError } from '#engine/operating-error.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { RequestLog } from '#engine/ports/request-log.ts'
import type { Exchange } from '../registry/response.ts'
import { json, problem, sendWhole, type ApiAnswer } from './api-answer.ts'
import type { ApiRoute, Call } from './api-route.ts'
import { buildRoutes } from './build-routes.ts'
import { imageRoutes } from './image-routes.ts'
import { LiveAnswers } from './live-answers.ts'
import { makeOpenApiDocument } from './openapi-document.ts'
import { orderRoutes } from './order-routes.ts'
import { serviceRoutes } from './service-routes.ts'
import type { WebServices } from './web-services.ts'

export interface WebApiOptions {
  readonly web: Exclude<WebMode, 'off'>
  /** Throws an `OperatingError` while there is nothing to serve yet. */
  readonly services: () => WebServices
  readonly clock: Clock
  readonly log: Pick<RequestLog, 'failure'>
}

const prefix = '/api/v1'

const documentRoute: ApiRoute = {
  method: 'GET',
  path: '/openapi.json',
  summary: 'This document',
  answers: { 200: { about: 'OpenAPI 3.1.' } },
  answer: () => json(openApiDocument),
}

/** Every route of the API. */
export const apiRoutes: readonly ApiRoute[] = [
  documentRoute,
  ...serviceRoutes,
  ...imageRoutes,
  ...buildRoutes,
  ...orderRoutes,
]

const openApiDocument = makeOpenApiDocument(prefix, apiRoutes)

const patterns = apiRoutes.map((route) => ({
  route,
  pattern: new RegExp(
    `^${prefix}${route.path.replaceAll('.', '\\.').replace('{id}', `(${idPattern})`)}$`,
  ),
}))

// Long enough that a start or a busy storage is over, short enough that a person waits for it.
const retryAfterSeconds = 15

/** Answers requests below `/api`; every refusal is a problem. */
export function createWebApi(options: WebApiOptions): (exchange: Exchange) => Promise<void> {
  const live = new LiveAnswers()

  async function find(exchange: Exchange): Promise<ApiAnswer> {
    const found = patterns.flatMap(({ route, pattern }) => {
      const match = pattern.exec(exchange.path)
      return match === null ? [] : [{ route, id: match[1] ?? '' }]
    })
    const services = options.services()
    const served = found.filter(({ route }) => route.isServed?.(services) ?? true)
    if (served.length === 0)
      return problem(404, `the API has no such path: ${prefix}/openapi.json lists all`)
    const { method } = exchange.request
    const chosen = served.find(({ route }) => route.method === (method === 'HEAD' ? 'GET' : method))
    if (chosen === undefined) return refuseMethod(served.map(({ route }) => route))
    const query = readQuery(exchange)
    const parsed = chosen.route.query?.safeParse(query)
    if (parsed?.success === false) {
      const [issue] = parsed.error.issues
      return problem(400, `${issue?.path.join('.')} in the query is not allowed: ${issue?.message}`)
    }
    const { web, clock } = options
    const token = readToken(exchange)
    const call: Call = { id: chosen.id, query, token, exchange, services, web, clock }
    return chosen.route.answer(call)
  }

  function send(exchange: Exchange, answer: ApiAnswer): void {
    if (answer.kind !== 'live') return sendWhole(exchange, answer)
    if (!live.hasRoom)
      return sendWhole(
        exchange,
        problem(503, 'too many clients follow builds: come back later', {
          'Retry-After': retryAfterSeconds,
        }),
      )
    const { ending } = options.services()
    live.send(exchange, answer.contentType, answer.text, { clock: options.clock, ending })
  }

  return async (exchange) => {
    try {
      send(exchange, await find(exchange))
    } catch (error) {
      refuse(options.log, exchange, error)
    }
  }
}

function refuseMethod(routes: readonly ApiRoute[]): ApiAnswer {
  const allowed = routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  const methods = allowed.join(', ')
  return problem(405, `this path takes ${methods}`, { Allow: methods })
}

/** Of what is given twice, the last counts. */
function readQuery({ request }: Exchange): Readonly<Record<string, string>> {
  const url = request.url ?? ''
  const start = url.indexOf('?')
  return start === -1 ? {} : Object.fromEntries(new URLSearchParams(url.slice(start + 1)))
}

function readToken({ request }: Exchange): string | undefined {
  return /^Bearer +([\w-]{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** Answers what a route threw, if the client still listens. */
function refuse(log: Pick<RequestLog, 'failure'>, exchange: Exchange, error: unknown): void {
  const { request, response, signal, path } = exchange
  if (signal.aborted) return
  const known = error instanceof OperatingError ? operatingErrors[error.code] : undefined
  if (known?.status !== 503) log.failure(error, { method: request.method ?? '', path })
  if (response.headersSent) return void response.destroy()
  const headers = known?.retryable === true ? { 'Retry-After': retryAfterSeconds } : {}
  sendWhole(exchange, problem(known?.status ?? 500, describeFault(error), headers))
}
