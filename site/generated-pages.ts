import { formatApi } from './api-sections.ts'
import { formatCommandHelp } from './command-help.ts'
import { formatConfiguration } from './configuration-tables.ts'
import { formatFailures, formatOperatingErrors } from './error-tables.ts'

type Format = () => string

/** Pages of docs/ with parts that programs write, each between two marks. */
export const generatedPages: ReadonlyMap<string, readonly Format[]> = new Map([
  ['configuration.md', [formatConfiguration]],
  ['api.md', [formatApi]],
  ['command-line.md', [formatCommandHelp]],
  ['errors.md', [formatFailures, formatOperatingErrors]],
])

const begin = '<!-- begin of what npm run generate writes -->\n'
const end = '<!-- end of what npm run generate writes -->\n'

/** The page with its generated parts made anew. */
export function renewPage(page: string, formats: readonly Format[]): string {
  const [first = '', ...parts] = page.split(begin)
  if (parts.length !== formats.length)
    throw new Error(`the page has ${parts.length} times ${begin}it must be ${formats.length}`)
  return [first, ...parts.map((part, index) => renewPart(part, formats[index]!))].join(begin)
}

function renewPart(part: string, format: Format): string {
  const [, after, more] = part.split(end)
  if (after === undefined || more !== undefined)
    throw new Error(`${begin}must be followed by ${end}`)
  return `${format()}\n\n${end}${after}`
}
