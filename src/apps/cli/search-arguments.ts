import { helpOption, usualExitCodes, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

/** As many as a terminal shows. */
const usualLimit = 20

/** A search takes time for each. */
const mostFound = 200

const options = {
  source: {
    type: 'string',
    short: 's',
    value: 'NAME',
    about:
      'package source, where several are configured (the one that names without a source mean)',
  },
  limit: {
    type: 'string',
    short: 'n',
    value: 'NUMBER',
    about: `how many packages to print, up to ${mostFound} (${usualLimit})`,
  },
  refresh: {
    type: 'boolean',
    default: false,
    about: 'list the packages anew first, where the source has moved since',
  },
  json: { type: 'boolean', default: false, about: 'print one JSON object, as the API gives it' },
  complete: {
    type: 'boolean',
    default: false,
    about:
      'print image names that begin with the given one, for completion in shells; none where no packages are listed yet',
  },
  ...helpOption,
} as const

export const searchSyntax: CommandSyntax = {
  name: 'search',
  summary: 'finds packages by their names and descriptions',
  synopsis: ['WORD... [options]'],
  about: [
    'Prints packages that have all words in their names or descriptions, best first: the name as it is put into the name of an image, version and description. A name may also be written as an attribute path, python3Packages.numpy.',
  ],
  options,
  notes: [
    'Searches what nixery serve has listed in the state directory, or lists the packages first, which takes up to some minutes.',
  ],
  exitCodes: {
    ...usualExitCodes,
    3: 'no package has the words',
    130: 'interrupted with Ctrl-C',
  },
}

export interface SearchQuestion {
  readonly kind: 'search'
  readonly words: string
  /** '' for the one that names without a source mean. */
  readonly source: string
  readonly limit: number
  readonly refresh: boolean
  readonly json: boolean
}

export type SearchArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'complete'; readonly typed: string }
  | SearchQuestion
  | Slip

/** Reads what follows `nixery search`. */
export function parseSearchArguments(args: readonly string[]): SearchArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { help, complete, source = '', limit = String(usualLimit), refresh, json } = read.values
  if (help) return { kind: 'help' }
  const words = read.others.join(' ').trim()
  if (complete) return { kind: 'complete', typed: words }
  if (words === '') return wrong('search must be told what to look for')
  const most = /^[0-9]{1,4}$/.test(limit) ? Number(limit) : 0
  if (most < 1 || most > mostFound)
    return wrong(`--limit ${limit} must be a number from 1 to ${mostFound}`)
  return { kind: 'search', words, source, limit: most, refresh, json }
}
