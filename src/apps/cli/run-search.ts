import type { SearchOutcome } from '#engine/ports/package-search.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { completeImageName } from './complete-image-name.ts'
import { printable } from './printable.ts'
import { parseSearchArguments, searchSyntax, type SearchQuestion } from './search-arguments.ts'

/** What is said while a search goes on. */
export interface SearchWatch {
  readonly onListing: () => void
  readonly warn: (line: string) => void
}

/** What the command needs of the rest of the product. */
export interface SearchTools {
  /** Names of the configured package sources. */
  sourceNames(): readonly string[]
  /** Searches what is listed, or lists the packages first and says so to `onListing`. */
  search(question: SearchQuestion, watch: SearchWatch, signal: AbortSignal): Promise<SearchOutcome>
  /** Packages of a source whose names begin so; none where nothing is listed. */
  namesBeginning(source: string, prefix: string): Promise<readonly string[]>
}

interface SearchTerminal {
  readonly stdout: {
    readonly isTTY?: boolean
    readonly columns?: number
    write(text: string): unknown
  }
  readonly stderr: { write(text: string): unknown }
}

/**
 * `nixery search`; gives the exit code: 0, 2 for a wrong command line, or 3 when nothing is found. Throws
 * what keeps it from its work.
 */
export async function runSearch(
  args: readonly string[],
  tools: SearchTools,
  terminal: SearchTerminal,
  signal: AbortSignal,
): Promise<0 | 2 | 3> {
  const { stdout, stderr } = terminal
  const parsed = parseSearchArguments(args)
  switch (parsed.kind) {
    case 'help':
      stdout.write(formatHelp(searchSyntax))
      return 0
    case 'wrong':
      stderr.write(formatSlip(searchSyntax, parsed.message))
      return 2
    case 'complete': {
      const names = await completeImageName(parsed.typed, tools)
      stdout.write(names.map((name) => `${name}\n`).join(''))
      return 0
    }
    case 'search': {
      const names = tools.sourceNames()
      if (parsed.source === '' || names.includes(parsed.source))
        return search(parsed, tools, terminal, signal)
      const known = names.filter((name) => name !== '')
      const hint = known.length === 0 ? 'the only one has no name' : `there are ${known.join(', ')}`
      stderr.write(
        formatSlip(searchSyntax, `no package source is called ${parsed.source}: ${hint}`),
      )
      return 2
    }
  }
}

async function search(
  question: SearchQuestion,
  tools: SearchTools,
  { stdout, stderr }: SearchTerminal,
  signal: AbortSignal,
): Promise<0 | 3> {
  const say = (line: string) => stderr.write(`nixery: ${printable(line)}\n`)
  const onListing = () => say('listing the packages of the source, which may take some minutes …')
  const outcome = await tools.search(question, { onListing, warn: say }, signal)
  if (outcome.kind === 'listing') throw new Error('the packages of the source are not listed')
  if (outcome.kind === 'unsearchable') throw new Error(outcome.message)
  const { kind: status, ...found } = outcome
  const columns = stdout.isTTY === true ? stdout.columns : undefined
  stdout.write(
    question.json ? `${JSON.stringify({ status, ...found })}\n` : formatPackages(found, columns),
  )
  const remark = remarkOn(question.words, found)
  if (remark !== undefined && !question.json) say(remark)
  return found.packages.length === 0 ? 3 : 0
}

type Found = Pick<SearchOutcome & { kind: 'found' }, 'packages' | 'near' | 'platforms'>

function remarkOn(words: string, { packages, near }: Found): string | undefined {
  const meant = near.map(({ name }) => name).join(' or ')
  const parts = [
    ...(packages.length === 0 ? [`no package matches ${words}`] : []),
    ...(meant === '' ? [] : [`did you mean ${meant}?`]),
  ]
  return parts.length === 0 ? undefined : parts.join('; ')
}

// Wider ones leave descriptions no room: they push their own row aside.
const widestColumn = 32

/** A line for each package, on a terminal no longer than its lines. */
function formatPackages({ packages, platforms }: Found, columns = Infinity): string {
  const rows = packages.map((each) => {
    const isEverywhere = each.platforms.length === platforms.length
    const only = isEverywhere ? [] : [`(${each.platforms.join(', ')} only)`]
    const about = [...only, each.description ?? ''].join(' ')
    return [each.name, each.version ?? '', about].map(printable) as [string, string, string]
  })
  const widthOf = (column: 0 | 1) =>
    Math.min(widestColumn, Math.max(...rows.map((row) => row[column].length)))
  const [names, versions] = [widthOf(0), widthOf(1)]
  return rows
    .map(([name, version, about]) => `${name.padEnd(names)}  ${version.padEnd(versions)}  ${about}`)
    .map((line) => `${shorten(line.trimEnd(), columns)}\n`)
    .join('')
}

function shorten(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
}
