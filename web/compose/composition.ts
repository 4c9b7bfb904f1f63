import { foldAttributeName } from '#core/nix/attribute-path.ts'
import { metaPackages } from '#core/request/image-request.ts'

/** An image as somebody puts it together. */
export interface Composition {
  /** Name of the package source; empty for the usual one. */
  readonly source: string
  /** Empty for all that the service makes. */
  readonly platform: '' | 'amd64' | 'arm64'
  readonly shell: boolean
  /** As they are spelled in a repository name, each once. */
  readonly packages: readonly string[]
  /** As somebody typed it, so not always one: `isTag` tells. */
  readonly tag: string
}

export const emptyComposition: Composition = {
  source: '',
  platform: '',
  shell: true,
  packages: [],
  tag: 'latest',
}

/** Components of its repository name; empty when it asks for nothing. */
export function componentsOf({
  source,
  platform,
  shell,
  packages,
}: Composition): readonly string[] {
  if (!shell && packages.length === 0) return []
  return [source, platform, shell ? 'shell' : '', ...packages].filter((part) => part !== '')
}

/** The composition of a repository name; `sources` are the names that select a package source. */
export function compositionOf(name: string, sources: readonly string[]): Composition {
  const [first = '', ...others] = name.split('/')
  const hasSource = first !== '' && sources.includes(first)
  return {
    source: hasSource ? first : '',
    ...readComponents(hasSource ? others : [first, ...others]),
    tag: 'latest',
  }
}

/** The first component that is no meta-package ends them, as in the service. */
function readComponents(
  components: readonly string[],
): Pick<Composition, 'platform' | 'shell' | 'packages'> {
  const end = components.findIndex((part) => !metaPackages.includes(part))
  const metas = end === -1 ? components : components.slice(0, end)
  return {
    platform: metas.includes('arm64') ? 'arm64' : metas.includes('amd64') ? 'amd64' : '',
    shell: metas.includes('shell'),
    packages: end === -1 ? [] : [...new Set(components.slice(end))],
  }
}

/** Adds a package once; the name of a meta-package is taken for the choice that it stands for. */
export function addPackage(composition: Composition, name: string): Composition {
  if (name === 'shell') return { ...composition, shell: true }
  if (name === 'amd64' || name === 'arm64') return { ...composition, platform: name }
  const packages = [...new Set([...composition.packages, name])]
  return { ...composition, packages }
}

export function removePackage(composition: Composition, name: string): Composition {
  return { ...composition, packages: composition.packages.filter((other) => other !== name) }
}

/** The name that somebody typed as a repository name spells it; `undefined` if none can. */
export function spellPackage(text: string): string | undefined {
  const name = foldAttributeName(text.trim())
  return componentPattern.test(name) && name.length <= longestName ? name : undefined
}

// distribution-spec, "Pulling manifests": the service reads whole names by the same rule.
const componentPattern = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/
const longestName = 255
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/** Why no image has the name or the tag, as sentences for people; `undefined` when one may. */
export function findMalformed(name: string, tag: string): string | undefined {
  const isName =
    name.length <= longestName && name.split('/').every((part) => componentPattern.test(part))
  if (!isName)
    return `No image can have this name. Its parts lie between slashes, of small letters and digits with single . _ or - between them, ${longestName} characters in all.`
  if (!isTag(tag))
    return 'No image can have this tag: up to 128 letters, digits, and . _ - but neither . nor - at its start.'
  return undefined
}

/** Why nobody can pull the composition, as a sentence for people; `undefined` when everybody can. */
export function findObstacle(composition: Composition): string | undefined {
  const components = componentsOf(composition)
  if (components.length === 0) return 'Choose a package, or the shell.'
  if (!isTag(composition.tag)) return 'Mend the tag: no image can have this one.'
  const { length } = components.join('/')
  return length <= longestName
    ? undefined
    : `The name has ${length} characters and can have ${longestName}: take a package away.`
}

/** The part of an address that brings the composition back. */
export function formatQuery({ source, platform, shell, packages, tag }: Composition): string {
  const query = new URLSearchParams({
    ...(source !== '' && { source }),
    ...(platform !== '' && { platform }),
    ...(!shell && { shell: 'off' }),
    ...(packages.length > 0 && { packages: packages.join(' ') }),
    ...(tag !== 'latest' && { tag }),
  })
  return query.toString()
}

/** A composition that somebody wrote into an address. */
export interface ReadQuery {
  readonly composition: Composition
  /** The parts that no name can hold. */
  readonly leftOut: readonly string[]
}

/** Reads what anybody may have written into an address. A wrong tag is kept, for it to be mended. */
export function parseQuery(query: string): ReadQuery {
  const values = new URLSearchParams(query)
  const source = values.get('source') ?? ''
  const platform = values.get('platform') ?? ''
  const isPlatform = platform === 'amd64' || platform === 'arm64'
  const words = (values.get('packages') ?? '').split(/[\s,/]+/).filter((word) => word !== '')
  const named = readComponents(words.map(spellPackage).filter((name) => name !== undefined))
  return {
    composition: {
      source: spellPackage(source) ?? '',
      platform: isPlatform ? platform : named.platform,
      shell: named.shell || values.get('shell') !== 'off',
      packages: named.packages,
      tag: values.get('tag') || 'latest',
    },
    leftOut: [
      ...(source !== '' && spellPackage(source) === undefined ? [source] : []),
      ...(platform === '' || isPlatform ? [] : [platform]),
      ...words.filter((word) => spellPackage(word) === undefined),
    ],
  }
}
