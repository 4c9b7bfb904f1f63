import { z } from 'zod'
import type { PackageListing } from '#core/api/service-info.ts'
import type { SearchOutcome } from '#engine/ports/package-search.ts'
import { json, problem } from './api-answer.ts'
import { routeWithQuery, type ApiRoute } from './api-route.ts'

/** Routes that tell of what is served. */
export const serviceRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/service',
    summary: 'What serves, and what it serves',
    answers: { 200: { about: 'As it is now.', schema: 'ServiceInfo' } },
    answer: ({ services, web }) => json({ ...services.info(), web }),
  },
  routeWithQuery({
    method: 'GET',
    path: '/packages',
    summary: 'Packages that have all words, in their names or descriptions',
    query: z.object({
      q: z.string().max(200).default('').describe('Words with spaces between them.'),
      source: z.string().default('').describe('Name of a package source, where there are several.'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
    answers: {
      200: { about: 'Best first.', schema: 'PackageListing' },
      404: { about: 'No package source is called like that.' },
    },
    isServed: ({ search }) => search !== undefined,
    answer: async ({ services, query, exchange }) => {
      const { search, sourceNames } = services
      if (search === undefined) throw new Error('a route that is not served was asked')
      if (!sourceNames.has(query.source))
        return problem(404, `no package source is called ${query.source}`)
      return json(
        describeSearch(await search.search(query.source, query.q, query.limit, exchange.signal)),
      )
    },
  }),
]

function describeSearch(outcome: SearchOutcome): PackageListing {
  switch (outcome.kind) {
    case 'found': {
      const { kind: status, ...found } = outcome
      return { status, ...found }
    }
    case 'listing':
      return { status: 'listing', packages: [], near: [] }
    case 'unsearchable':
      return { status: 'unsearchable', packages: [], near: [], message: outcome.message }
  }
}
