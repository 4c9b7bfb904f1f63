import { z } from 'zod'
import { apiRoutes } from '../src/apps/web/web-api.ts'
import { formatTable } from './markdown-table.ts'

type Route = (typeof apiRoutes)[number]

/** What every route of the API takes and answers, a section for each. */
export function formatApi(): string {
  return apiRoutes.map(formatRoute).join('\n\n')
}

function formatRoute(route: Route): string {
  const { method, path, summary, about, token, body } = route
  const needs =
    token === 'needed'
      ? ['Needs the token of the order.']
      : token === 'optional'
        ? ['Takes the token of an order.']
        : []
  const takes = body === undefined ? [] : [`The body is a \`${body}\`.`]
  return [
    `### ${summary}`,
    `\`${method} /api/v1${path}\``,
    ...[[...(about === undefined ? [] : [about]), ...takes, ...needs].join(' ')].filter(
      (text) => text !== '',
    ),
    ...formatParameters(route),
    formatAnswers(route),
  ].join('\n\n')
}

function formatParameters({ query, headers = {} }: Route): readonly string[] {
  const { properties = {} } = query === undefined ? {} : z.toJSONSchema(query, { io: 'input' })
  const rows = [
    ...Object.entries(properties).map(([name, schema]) => [
      `\`?${name}=\``,
      describeParameter(schema),
    ]),
    ...Object.entries(headers).map(([name, description]) => [`\`${name}\` (header)`, description]),
  ]
  return rows.length === 0 ? [] : [formatTable(['parameter', 'what it is'], rows)]
}

function describeParameter(schema: z.core.JSONSchema._JSONSchema): string {
  if (typeof schema === 'boolean') return ''
  const { description, minimum, maximum, default: usual } = schema
  const range = minimum === undefined ? [] : [`${minimum} to ${maximum}`]
  const given =
    usual === undefined || usual === '' ? [] : [`\`${JSON.stringify(usual)}\` unless given`]
  return [...(description === undefined ? [] : [description]), ...range, ...given].join('; ')
}

function formatAnswers({ answers }: Route): string {
  const rows = Object.entries(answers).map(([status, { about, schema, contentType }]) => {
    const shape = schema === undefined ? contentType : schema
    return [status, shape === undefined ? '' : `\`${shape}\``, about]
  })
  return formatTable(['status', 'body', 'when'], rows)
}
