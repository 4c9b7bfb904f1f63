import { formatApi } from './api-sections.ts'
import { formatCommandHelp } from './command-help.ts'
import { formatConfiguration } from './configuration-tables.ts'

/** Pages of docs/ with a part that programs write, between two marks. */
export const generatedPages: ReadonlyMap<string, () => string> = new Map([
  ['configuration.md', formatConfiguration],
  ['api.md', formatApi],
  ['command-line.md', formatCommandHelp],
])

const begin = '<!-- begin of what npm run generate writes -->\n'
const end = '<!-- end of what npm run generate writes -->\n'

/** The page with its generated part made anew. */
export function renewPage(page: string, format: () => string): string {
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${begin}`)
  return `${before}${begin}${format()}\n\n${end}${after}`
}
