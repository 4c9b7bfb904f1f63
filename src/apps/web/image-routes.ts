import { z } from 'zod'
import { isRepositoryName, isTag } from '#core/oci/route.ts'
import { describeFailure } from '#engine/describe-failure.ts'
import type { AdditionOutcome } from '#engine/image-view/view-addition.ts'
import type { ViewOutcome } from '#engine/image-view/view-image.ts'
import { failureStatus } from '../registry/failure-refusal.ts'
import { json, problem, type ApiAnswer } from './api-answer.ts'
import { routeWithQuery, type ApiRoute } from './api-route.ts'
import type { ImageViews, WebServices } from './web-services.ts'

const imageName = z.string().refine(isRepositoryName, 'must be a repository name')

const imageQuery = z.object({
  name: imageName,
  tag: z.string().refine(isTag, 'must be a tag').default('latest'),
  platform: z
    .string()
    .max(50)
    .exactOptional()
    .describe('`linux/amd64`; without it the first one that is stored.'),
})

const refusals = {
  400: { about: 'The name is none that can be pulled.' },
  403: { about: 'This registry does not serve that.' },
  404: { about: 'The image is not stored: order or pull it first.' },
} as const

/** Routes that show images. */
export const imageRoutes: readonly ApiRoute[] = [
  routeWithQuery({
    method: 'GET',
    path: '/image',
    summary: 'The layers and the closure of a stored image',
    about: 'Asks the package source what the tag stands for, as a pull does, and builds nothing.',
    query: imageQuery,
    answers: { 200: { about: 'The image.', schema: 'ImageView' }, ...refusals },
    isServed,
    answer: async ({ services, query, exchange }) =>
      shown(await viewsOf(services).view(query, exchange.signal)),
  }),
  routeWithQuery({
    method: 'GET',
    path: '/image/addition',
    summary: 'What a stored image would become with more packages',
    about:
      'Known when the grown image is stored, or when all its packages are on the machine of the service. Builds and downloads no package.',
    query: imageQuery.extend({ add: imageName.describe('Packages with slashes between.') }),
    answers: {
      200: { about: 'What would change.', schema: 'AdditionView' },
      ...refusals,
      422: { about: 'There is no such image, for reasons that lie in its packages.' },
      503: { about: 'Too many ask for the same; `Retry-After` says when to come back.' },
    },
    isServed,
    answer: async ({ services, query, exchange }) =>
      shown(await viewsOf(services).viewAddition(query, exchange.signal)),
  }),
]

function isServed({ views }: WebServices): boolean {
  return views !== undefined
}

function viewsOf({ views }: WebServices): ImageViews {
  if (views === undefined) throw new Error('a route that is not served was asked')
  return views
}

/** Names that this registry does not serve are refused as a pull of them is. */
function shown(outcome: ViewOutcome | AdditionOutcome): ApiAnswer {
  switch (outcome.kind) {
    case 'viewed':
      return json(outcome.view)
    case 'invalid-name':
      return problem(400, outcome.message)
    case 'denied':
    case 'forbidden-tag':
      return problem(403, outcome.message)
    case 'unknown-tag':
    case 'not-stored':
      return problem(404, outcome.message)
    case 'failed':
      return problem(failureStatus(outcome.failure), describeFailure(outcome.failure, 'onlooker'))
  }
}
