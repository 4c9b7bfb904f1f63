import { z } from 'zod'
import { isOver, summaryOf } from '#core/api/build-progress.ts'
import { json, problem, type ApiAnswer } from './api-answer.ts'
import { routeWithQuery, type ApiRoute, type Call } from './api-route.ts'
import { buildEvents } from './build-events.ts'
import { buildLog } from './build-log.ts'

const tooManyFollow = {
  about: 'Too many clients follow builds; `Retry-After` says when to come back.',
}

const unknownBuild = {
  about: 'No such build: a restart of the service forgets all, and only the last 200 are kept.',
}

/** Routes that tell of builds. */
export const buildRoutes: readonly ApiRoute[] = [
  routeWithQuery({
    method: 'GET',
    path: '/builds',
    summary: 'The last builds',
    query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
    answers: { 200: { about: 'The newest first.', schema: 'BuildList' } },
    answer: ({ services, query }) =>
      json({ builds: services.builds.list().slice(0, query.limit).map(summaryOf) }),
  }),
  {
    method: 'GET',
    path: '/builds/{id}',
    summary: 'All that is known of a build',
    answers: { 200: { about: 'As it is now.', schema: 'BuildProgress' }, 404: unknownBuild },
    answer: ({ services, id }) => {
      const record = services.builds.find(id)
      return record === undefined ? unknown(id) : json(record.progress)
    },
  },
  {
    method: 'GET',
    path: '/builds/{id}/events',
    summary: 'What happens in a build, as it happens',
    about:
      'Server-sent events. The first message is `progress` with a BuildProgress; every other one is named for its kind and holds a RecordedEvent. A client that comes back with `Last-Event-ID` gets what it has missed. The stream ends with the build. `log` events are for those who may read the log.',
    headers: { 'Last-Event-ID': 'The last event that the client has.' },
    token: 'optional',
    answers: {
      200: { about: 'Messages until the build has ended.', contentType: 'text/event-stream' },
      204: { about: 'The client has all events: it need not come back.' },
      404: unknownBuild,
      503: tooManyFollow,
    },
    answer: (call) => {
      const record = call.services.builds.find(call.id)
      if (record === undefined) return unknown(call.id)
      const since = lastEventOf(call)
      if (since === record.progress.lastEvent && isOver(record.progress))
        return { kind: 'nothing', status: 204 }
      const text = buildEvents(record, since, opensLog(call))
      return { kind: 'live', contentType: 'text/event-stream', text }
    },
  },
  routeWithQuery({
    method: 'GET',
    path: '/builds/{id}/log',
    summary: 'What the builders of a build print',
    about:
      'A line each, with the name of the derivation before it. Only the last lines are kept. Needs the token of an order that the build belongs to, unless the operator shows logs to everybody.',
    token: 'optional',
    query: z.object({
      follow: z.enum(['0', '1']).default('0').describe('With 1 the answer ends with the build.'),
    }),
    answers: {
      200: { about: 'The lines that are kept.', contentType: 'text/plain; charset=utf-8' },
      401: { about: 'The log is for those who ordered the build, and there is no token.' },
      403: { about: 'The token is that of another order.' },
      404: unknownBuild,
      503: tooManyFollow,
    },
    answer: (call) => {
      const record = call.services.builds.find(call.id)
      if (record === undefined) return unknown(call.id)
      if (!opensLog(call)) return refuseLog(call)
      const text = buildLog(record, call.query.follow === '1')
      return { kind: 'live', contentType: 'text/plain; charset=utf-8', text }
    },
  }),
]

function unknown(id: string): ApiAnswer {
  return problem(
    404,
    `no build ${id} is known: the service keeps the last ones, and none when it restarts`,
  )
}

function lastEventOf({ exchange }: Call): number | undefined {
  const text = exchange.request.headers['last-event-id']
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function opensLog({ web, token, services, id }: Call): boolean {
  return web === 'full' || (token !== undefined && services.orders.opensLog(id, token))
}

function refuseLog({ token }: Call): ApiAnswer {
  return token === undefined
    ? problem(401, 'this log is for those who ordered the build: send the token of the order', {
        'WWW-Authenticate': 'Bearer',
      })
    : problem(
        403,
        'this log is for those who ordered the build: the token is that of another order',
      )
}
