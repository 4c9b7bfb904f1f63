import { z } from 'zod'
import type { PackageListing } from '#core/api/service-info.ts'
import { isRepositoryName } from '#core/oci/route.ts'
import type { SearchOutcome } from '#engine/ports/package-search.ts'
import { json, problem, type ApiAnswer } from './api-answer.ts'
import { routeWithQuery, type ApiRoute } from './api-route.ts'

const imageName = z.string().refine(isRepositoryName, 'must be a repository name')

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
  routeWithQuery({
    method: 'GET',
    path: '/image',
    summary: 'The layers and the closure of a stored image',
    query: z.object({
      name: imageName,
      tag: z.string().max(128).default('latest'),
      platform: z.string().max(50).optional().describe('`linux/amd64`'),
    }),
    answers: {
      200: { about: 'The image.', schema: 'ImageView' },
      404: { about: 'It is not stored: order or pull it first.' },
    },
    isServed: ({ views }) => views !== undefined,
    answer: async ({ services, query: { name, tag, platform }, exchange }) => {
      const asked = { name, tag, ...(platform !== undefined && { platform }) }
      return viewed(await services.views?.view(asked, exchange.signal), name)
    },
  }),
  routeWithQuery({
    method: 'GET',
    path: '/image/addition',
    summary: 'What an image would become with more packages',
    query: z.object({ name: imageName, add: imageName.describe('Packages with slashes between.') }),
    answers: {
      200: { about: 'What would change.', schema: 'AdditionView' },
      404: { about: 'The image is not stored: order or pull it first.' },
    },
    isServed: ({ views }) => views !== undefined,
    answer: async ({ services, query, exchange }) =>
      viewed(await services.views?.viewAddition(query, exchange.signal), query.name),
  }),
]

function viewed(view: object | undefined, name: string): ApiAnswer {
  return view === undefined
    ? problem(404, `the image ${name} is not stored here: order or pull it first`)
    : json(view)
}

function describeSearch(outcome: SearchOutcome): PackageListing {
  switch (outcome.kind) {
    case 'found':
      return { status: 'found', packages: outcome.packages, revision: outcome.revision }
    case 'listing':
      return { status: 'listing', packages: [] }
    case 'unsearchable':
      return { status: 'unsearchable', packages: [], message: outcome.message }
  }
}
