import { z } from 'zod'
import { idPattern } from '#core/api/id.ts'
import type { ApiRoute, DocumentedAnswer } from './api-route.ts'
import { apiSchemas, type ApiSchemaName } from './api-schemas.ts'

/** The OpenAPI 3.1 document of routes, made from what answers them (spec.openapis.org/oas/v3.1.0). */
export function makeOpenApiDocument(prefix: string, routes: readonly ApiRoute[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = `${prefix}${route.path}`
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Nixery',
      version: '1',
      description: 'What happens in a registry whose images are built when they are pulled.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: describeSchemas(),
      securitySchemes: {
        order: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token that placing an order gave.',
        },
      },
    },
  }
}

function describeRoute(route: ApiRoute): object {
  const { summary, about, token, body } = route
  const parameters = [...pathParameters(route), ...queryParameters(route), ...headers(route)]
  return {
    summary,
    ...(about !== undefined && { description: about }),
    ...(parameters.length > 0 && { parameters }),
    ...(token !== undefined && {
      security: token === 'needed' ? [{ order: [] }] : [{}, { order: [] }],
    }),
    ...(body !== undefined && {
      requestBody: { required: true, content: contentOf('application/json', body) },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, answer]) => [
          status,
          describeAnswer(Number(status), answer),
        ]),
      ),
      default: describeAnswer(500, { about: 'Anything else that went wrong.' }),
    },
  }
}

function pathParameters({ path }: ApiRoute): readonly object[] {
  const schema = { type: 'string', pattern: `^${idPattern}$` }
  return path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema }] : []
}

function queryParameters({ query }: ApiRoute): readonly object[] {
  if (query === undefined) return []
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input' })
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }))
}

function headers({ headers = {} }: ApiRoute): readonly object[] {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }))
}

function describeAnswer(status: number, { about, schema, contentType }: DocumentedAnswer): object {
  const content =
    status >= 400
      ? contentOf('application/problem+json', 'Problem')
      : contentType !== undefined
        ? { [contentType]: { schema: { type: 'string' } } }
        : schema && contentOf('application/json', schema)
  return { description: about, ...(content !== undefined && { content }) }
}

function contentOf(contentType: string, schema: ApiSchemaName): object {
  return { [contentType]: { schema: { $ref: reference(schema) } } }
}

function reference(name: string): string {
  return `#/components/schemas/${name}`
}

function describeSchemas(): object {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(apiSchemas)) registry.add(schema, { id })
  // As input, schemas of answers are open: a later service of the same version may say more.
  const { schemas } = z.toJSONSchema(registry, { uri: reference, io: 'input' })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema: _, $id: _id, ...rest } = schema
      return [name, rest]
    }),
  )
}
