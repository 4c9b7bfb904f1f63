import { isId } from '#core/api/id.ts'
import { readImageName } from './build-arguments.ts'
import { buildExitCodes, displayOptions, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

const options = {
  server: {
    type: 'string',
    short: 's',
    value: 'URL',
    about: 'address of the service (http://localhost:8080, with PORT where that is set)',
  },
  order: {
    type: 'boolean',
    default: false,
    about:
      'when no build of the image runs, have it built: Ctrl-C cancels it unless somebody else waits for it',
  },
  ...displayOptions,
} as const

export const watchSyntax: CommandSyntax = {
  name: 'watch',
  summary: 'follows a build on a server, while docker pull waits for it',
  synopsis: ['NAME[:TAG] | BUILD [--server URL] [--order] [options]'],
  about: [
    'Shows how the image NAME is being built on a server, or how its last build went, or that it is stored already. BUILD is the id of a build, which log and error messages name.',
  ],
  options,
  argument: 'image',
  exitCodes: {
    ...buildExitCodes,
    0: 'the image was built, or is stored',
    1: 'the server cannot be reached or has no such build, or the build was aborted',
    3: 'the build failed: another request may succeed',
    130: 'interrupted with Ctrl-C; the build goes on unless it was ordered here',
  },
}

export interface WatchCommand {
  readonly kind: 'watch'
  readonly wanted:
    | { readonly kind: 'build'; readonly id: string }
    | { readonly kind: 'name'; readonly name: string; readonly tag: string }
  readonly server?: URL
  readonly order: boolean
  readonly quiet: boolean
  readonly json: boolean
}

export type WatchArguments = { readonly kind: 'help' } | WatchCommand | Slip

/** Reads what follows `nixery watch`. */
export function parseWatchArguments(args: readonly string[]): WatchArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { values, others } = read
  if (values.help) return { kind: 'help' }
  const image = readImageName(others, undefined, 'watch')
  if (image.kind === 'wrong') return image
  const server = values.server === undefined ? undefined : parseServer(values.server)
  if (values.server !== undefined && server === undefined)
    return wrong(
      `--server ${values.server} must be an http or https address, such as http://localhost:8080`,
    )
  const { order, quiet, json } = values
  const isBuildId = others[0] !== undefined && isId(others[0])
  if (isBuildId && order)
    return wrong(`${others[0]} is the id of a build, and --order is for a name`)
  return {
    kind: 'watch',
    wanted: isBuildId ? { kind: 'build', id: image.name } : image,
    ...(server && { server }),
    order,
    quiet,
    json,
  }
}

function parseServer(text: string): URL | undefined {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined
}
