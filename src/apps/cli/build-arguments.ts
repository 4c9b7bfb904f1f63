import { platformOf, type Platforms } from '#core/nix/system.ts'
import { isRepositoryName, isTag } from '#core/oci/route.ts'
import { parseBuildOutput, type BuildOutput } from './build-output.ts'
import { buildExitCodes, displayOptions, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

const options = {
  output: {
    type: 'string',
    short: 'o',
    value: 'WHERE',
    completion: ['oci:', 'docker-archive:', 'docker://'],
    about:
      'where to take the image: oci:DIRECTORY[:TAG], an OCI image layout, to which it is added; docker-archive:FILE[:NAME:TAG], which docker load takes (- is standard output, and a FILE that is there is replaced); docker://HOST/NAME[:TAG], a registry. Unless given the image stays in the storage.',
  },
  tag: {
    type: 'string',
    short: 't',
    value: 'TAG',
    about: 'branch, tag or commit of the package source, as in NAME:TAG (latest)',
  },
  platform: {
    type: 'string',
    short: 'p',
    value: 'PLATFORM',
    completion: ['linux/amd64', 'linux/arm64', 'linux/amd64,linux/arm64'],
    about: 'linux/amd64, linux/arm64, or both with a comma between them (NIXERY_PLATFORMS)',
  },
  insecure: {
    type: 'boolean',
    default: false,
    about: 'reach the registry without TLS; for this machine that is so anyhow',
  },
  ...displayOptions,
} as const

export const buildSyntax: CommandSyntax = {
  name: 'build',
  summary: 'builds an image without a server, into a directory, an archive or a registry',
  synopsis: ['NAME[:TAG] [--output WHERE] [options]'],
  about: [
    'Builds the image that the service would serve under NAME, such as shell/git, and prints its digest, which is the same. Settings, state directory and storage are those of nixery serve: layers are shared with it, and it may run meanwhile.',
  ],
  options,
  argument: 'image',
  notes: [
    'Logins for registries are those of docker login, skopeo login and podman login: auth.json or config.json, and the credential helpers that they name.',
  ],
  exitCodes: buildExitCodes,
}

export interface BuildCommand {
  readonly kind: 'build'
  readonly name: string
  readonly tag: string
  readonly output?: BuildOutput
  /** Those of the configuration unless given. */
  readonly platforms?: Platforms
  readonly insecure: boolean
  readonly quiet: boolean
  readonly json: boolean
}

export type BuildArguments = { readonly kind: 'help' } | BuildCommand | Slip

/** Reads what follows `nixery build`. */
export function parseBuildArguments(args: readonly string[]): BuildArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { values, others } = read
  if (values.help) return { kind: 'help' }
  const image = readImageName(others, values.tag, 'build')
  if (image.kind === 'wrong') return image
  const { name, tag } = image
  const output = values.output === undefined ? undefined : parseBuildOutput(values.output, image)
  if (output?.kind === 'wrong') return output
  const platforms = values.platform === undefined ? undefined : parsePlatforms(values.platform)
  if (values.platform !== undefined && platforms === undefined)
    return wrong(
      `--platform ${values.platform} must be linux/amd64, linux/arm64, or both with a comma between them`,
    )
  if (values.insecure && output?.output.kind !== 'registry')
    return wrong('--insecure is for a registry: --output docker://HOST/NAME')
  if (values.json && output?.output.kind === 'docker-archive' && output.output.path === '-')
    return wrong('--json and the archive both take standard output: name a file for the archive')
  const { insecure, quiet, json } = values
  return {
    kind: 'build',
    name,
    tag,
    ...(output && { output: output.output }),
    ...(platforms && { platforms }),
    insecure,
    quiet,
    json,
  }
}

// `localhost:8080/shell/git`, as `docker pull` takes it. Without a port or a scheme it may be a name.
const pullReference = /^(?:(\w+):\/\/|(?=[^/]+:\d+\/.))([^/]+)\/*(.*)$/

/** `NAME`, or `NAME:TAG` where no option gives the tag. */
export function readImageName(
  [text, extra]: readonly string[],
  givenTag: string | undefined,
  command: string,
): { readonly kind: 'name'; readonly name: string; readonly tag: string } | Slip {
  if (text === undefined || text === '')
    return wrong(`${command} must be told which image, such as shell/git`)
  if (extra !== undefined)
    return wrong(`${extra} is too much: packages of one image have slashes between them`)
  const [, scheme, server, rest] = pullReference.exec(text) ?? []
  if (server !== undefined) {
    const web = scheme === 'https' ? 'https' : 'http'
    const option = command === 'watch' ? ` --server ${web}://${server}` : ''
    return wrong(
      `${server} is a server, and no part of the name: nixery ${command} ${rest || 'NAME'}${option}`,
    )
  }
  const [name = '', ...tags] = text.split(':')
  if (tags.length > 0 && givenTag !== undefined)
    return wrong(`${text} has a tag already: leave out --tag ${givenTag}`)
  const tag = tags.length > 0 ? tags.join(':') : (givenTag ?? 'latest')
  if (!isRepositoryName(name))
    return wrong(
      `${name} is no name of an image: lower-case letters, digits, and . _ - between them, with slashes between packages`,
    )
  if (!isTag(tag)) return wrong(`${tag} is no tag: letters, digits, _ . and -, at most 128 of them`)
  return { kind: 'name', name, tag }
}

function parsePlatforms(text: string): Platforms | undefined {
  const known = new Map([
    ['linux/amd64', platformOf('amd64')],
    ['linux/arm64', platformOf('arm64')],
    ['linux/arm64/v8', platformOf('arm64')],
  ])
  const [first, second, ...more] = text.split(',').map((each) => known.get(each.trim()))
  if (first === undefined || more.length > 0) return undefined
  if (!text.includes(',')) return [first]
  return second === undefined || second === first ? undefined : [first, second]
}
