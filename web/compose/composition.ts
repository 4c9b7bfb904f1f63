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
  const components = hasSource ? others : [first, ...others]
  const end = components.findIndex((part) => !metaPackages.includes(part))
  const metas = end === -1 ? components : components.slice(0, end)
  return {
    source: hasSource ? first : '',
    platform: metas.includes('arm64') ? 'arm64' : metas.includes('amd64') ? 'amd64' : '',
    shell: metas.includes('shell'),
    packages: end === -1 ? [] : [...new Set(components.slice(end))],
    tag: 'latest',
  }
}

export function addPackage(composition: Composition, name: string): Composition {
  const packages = [...new Set([...composition.packages, name])]
  return { ...composition, packages }
}

export function removePackage(composition: Composition, name: string): Composition {
  return { ...composition, packages: composition.packages.filter((other) => other !== name) }
}

/** The name that somebody typed as a repository name spells it; `undefined` if none can. */
export function spellPackage(text: string): string | undefined {
  const name = foldAttributeName(text.trim())
  return componentPattern.test(name) && name.length <= longestComponent ? name : undefined
}

// distribution-spec, "Pulling manifests": the service reads whole names by the same rule.
const componentPattern = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/
// Of a whole repository name.
const longestComponent = 255
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isTag(text: string): boolean {
  return tagPattern.test(text)
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

/** Reads what anybody may have written into an address: what makes no sense is left out. */
export function parseQuery(query: string): Composition {
  const values = new URLSearchParams(query)
  const words = (values.get('packages') ?? '').split(/[\s,/]+/)
  const names = words.map(spellPackage).filter((name) => name !== undefined)
  const platform = values.get('platform')
  const tag = values.get('tag') ?? ''
  return {
    source: spellPackage(values.get('source') ?? '') ?? '',
    platform: platform === 'amd64' || platform === 'arm64' ? platform : '',
    shell: values.get('shell') !== 'off',
    packages: [...new Set(names)],
    tag: isTag(tag) ? tag : 'latest',
  }
}
