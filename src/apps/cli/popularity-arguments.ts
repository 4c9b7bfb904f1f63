import { dirname } from 'node:path'
import type { parseArgs } from 'node:util'
import { helpOption, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

/** What a command line asks for; paths are as they were typed. */
export type PopularityArguments =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'channel'
      readonly channel: string
      readonly cache: string
      readonly outPath: string
      readonly workDirectory: string
      readonly concurrency: number
    }
  | {
      readonly kind: 'packages'
      readonly setPath: string
      readonly names: readonly string[]
      readonly outPath: string
    }
  | Slip

const options = {
  channel: {
    type: 'string',
    value: 'CHANNEL',
    about:
      'a name such as nixos-unstable, or the address of the directory that holds store-paths.xz',
  },
  cache: {
    type: 'string',
    value: 'URL',
    about: 'binary cache that has the channel (https://cache.nixos.org)',
  },
  work: {
    type: 'string',
    value: 'DIRECTORY',
    completion: 'directory',
    about: 'where an interrupted run leaves its progress to the next one (the directory of FILE)',
  },
  concurrency: {
    type: 'string',
    value: 'N',
    about: 'requests at the same time, from 1 to 256 (32)',
  },
  packages: {
    type: 'string',
    value: 'PATH',
    completion: 'file',
    about:
      'Nix file or directory of a package set of this machine; NAMEs choose packages of it, all at its top level unless there are any',
  },
  out: { type: 'string', value: 'FILE', completion: 'file', about: 'the file to write' },
  ...helpOption,
} as const

export const popularitySyntax: CommandSyntax = {
  name: 'popularity',
  summary: 'counts which packages others need most, for NIX_POPULARITY_URL',
  synopsis: ['--channel CHANNEL --out FILE [options]', '--packages PATH [NAME ...] --out FILE'],
  about: [
    'Counts how many store paths refer to each package, and writes that as the JSON file that NIX_POPULARITY_URL takes. See docs/popularity.md.',
  ],
  options,
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']

/** Reads what follows `nixery popularity`. */
export function parsePopularityArguments(args: readonly string[]): PopularityArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { values, others } = read
  if (values.help) return { kind: 'help' }
  if ((values.channel === undefined) === (values.packages === undefined))
    return wrong('either --channel or --packages must say what to count')
  if (!values.out) return wrong('--out must say which file to write')
  return values.channel === undefined
    ? packagesArguments(values, others, values.out)
    : channelArguments(values, others, values.out)
}

// Requests beyond this number a cache takes for an attack, and one machine cannot use the answers.
const mostConcurrency = 256

function channelArguments(
  values: Values,
  names: readonly string[],
  outPath: string,
): PopularityArguments {
  const { channel = '', cache = 'https://cache.nixos.org', work = dirname(outPath) } = values
  const concurrency = /^\d{1,3}$/.test(values.concurrency ?? '32')
    ? Number(values.concurrency ?? '32')
    : 0
  if (names.length > 0) return wrong(`${names[0]} is too much: --channel counts all of a channel`)
  if (!/^[a-z0-9][-.a-z0-9]*$/i.test(channel) && !isAddress(channel))
    return wrong(`--channel ${channel} must be a name or an http, https or file address`)
  if (!isAddress(cache)) return wrong(`--cache ${cache} must be an http, https or file address`)
  if (concurrency < 1 || concurrency > mostConcurrency)
    return wrong(`--concurrency ${values.concurrency} must be a number from 1 to 256`)
  return { kind: 'channel', channel, cache, outPath, workDirectory: work, concurrency }
}

function packagesArguments(
  values: Values,
  names: readonly string[],
  outPath: string,
): PopularityArguments {
  const foreign = (['cache', 'work', 'concurrency'] as const).find(
    (option) => values[option] !== undefined,
  )
  if (foreign !== undefined) return wrong(`--${foreign} belongs to --channel`)
  if (!values.packages) return wrong('--packages must be the path of a package set')
  return { kind: 'packages', setPath: values.packages, names, outPath }
}

function isAddress(text: string): boolean {
  return URL.canParse(text) && /^(https?|file):$/.test(new URL(text).protocol)
}
