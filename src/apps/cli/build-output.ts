/** Where `nixery build` takes an image. */
export type BuildOutput =
  | { readonly kind: 'oci'; readonly directory: string; readonly tag: string }
  | {
      readonly kind: 'docker-archive'
      /** `-` is standard output. */
      readonly path: string
      readonly name: string
      readonly tag: string
    }
  | {
      readonly kind: 'registry'
      /** `localhost:5000`, `registry.example` */
      readonly host: string
      readonly name: string
      readonly tag: string
    }

export type BuildOutputOutcome =
  | { readonly kind: 'output'; readonly output: BuildOutput }
  | { readonly kind: 'wrong'; readonly message: string }

/** What is built, for outputs that do not say what to call it. */
interface BuiltName {
  readonly name: string
  readonly tag: string
}

const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
const component = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*'
const repository = `${component}(?:/${component})*`
const host = '(?:[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?'

const layoutPattern = new RegExp(`^(.+?)(?::(${tag}))?$`)
const archivePattern = new RegExp(`^([^:]+)(?::(${repository})(?::(${tag}))?)?$`)
const registryPattern = new RegExp(`^//(${host})/(${repository})(?::(${tag}))?$`)

/** Reads what follows `--output`. */
export function parseBuildOutput(text: string, built: BuiltName): BuildOutputOutcome {
  const colon = text.indexOf(':')
  const [kind, rest] = [text.slice(0, colon), text.slice(colon + 1)]
  switch (kind) {
    case 'oci': {
      const [, directory, given] = layoutPattern.exec(rest) ?? []
      if (directory === undefined)
        return wrong(text, 'must name a directory: oci:DIRECTORY or oci:DIRECTORY:TAG')
      return found({ kind, directory, tag: given ?? built.tag })
    }
    case 'docker-archive': {
      const [, path, name, given] = archivePattern.exec(rest) ?? []
      if (path === undefined)
        return wrong(text, 'must name a file: docker-archive:FILE or docker-archive:FILE:NAME:TAG')
      // Who chooses a name chooses the tag too: latest, as everywhere.
      return found(
        name === undefined
          ? { kind, path, name: built.name, tag: built.tag }
          : { kind, path, name, tag: given ?? 'latest' },
      )
    }
    case 'docker': {
      const [, address, name, given] = registryPattern.exec(rest) ?? []
      if (address === undefined || name === undefined)
        return wrong(text, 'must name a registry and a repository: docker://HOST/NAME:TAG')
      return found({ kind: 'registry', host: address, name, tag: given ?? built.tag })
    }
    default:
      return wrong(
        text,
        'must be oci:DIRECTORY, docker-archive:FILE (- for standard output) or docker://HOST/NAME:TAG',
      )
  }
}

function found(output: BuildOutput): BuildOutputOutcome {
  return { kind: 'output', output }
}

function wrong(text: string, wanted: string): BuildOutputOutcome {
  return { kind: 'wrong', message: `--output ${text} ${wanted}` }
}
