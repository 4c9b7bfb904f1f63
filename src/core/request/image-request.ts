import { platformOf, type Platform, type Platforms } from '#core/nix/system.ts'
import type { RequestedOptions } from './requested-options.ts'

/** What decides the content of one image for one platform, beside the package source. */
export interface PlatformRequest {
  readonly platform: Platform
  /** Whether `shell` was asked for: the image starts bash. */
  readonly shell: boolean
  /** What to look up, sorted, each once; never empty. */
  readonly packages: readonly string[]
  readonly options: RequestedOptions
}

/** A repository name read as the specification of an image. */
export interface ImageRequest extends Omit<PlatformRequest, 'platform'> {
  /** Name of the stored spec that asks for it; decides nothing. */
  readonly spec?: string
  /** Name of the configured package source; empty for the one that names without a source mean. */
  readonly source: string
  /** One where the name or a stored spec forces it. */
  readonly platforms: Platforms
  /** The packages without those that `shell` stands for: what allow lists are compared with. */
  readonly askedPackages: readonly string[]
}

/** The image that a request stands for on one of its platforms. */
export function onPlatform(
  { shell, packages, options }: ImageRequest,
  platform: Platform,
): PlatformRequest {
  return { platform, shell, packages, options }
}

export type ImageRequestOutcome =
  | { readonly kind: 'request'; readonly request: ImageRequest }
  | { readonly kind: 'invalid'; readonly message: string }

/** What the operator's configuration adds to the grammar of names. */
export interface NameGrammar {
  /** Platforms of names that force none, first the one for clients that take no index. */
  readonly platforms: Platforms
  /** First components that select a package source. */
  readonly sourceNames: ReadonlySet<string>
  readonly maxPackages: number
}

/** What the meta-package `shell` stands for, spelled as registry names are. */
export const shellPackages: readonly string[] = [
  'bashinteractive',
  'coreutils',
  'moreutils',
  'nano',
]

/** Names with a meaning of their own when they come first. */
export const metaPackages: readonly string[] = ['shell', 'amd64', 'arm64']

/** One evaluation looks all of them up; a name of 255 bytes cannot hold more. */
export const mostPackages = 128

/**
 * Reads a repository name: a source, meta-packages, packages. The first component that is no
 * meta-package ends them, so that a package may be called like one. `name` must be a legal
 * repository name.
 */
export function parseImageRequest(name: string, grammar: NameGrammar): ImageRequestOutcome {
  const [first = '', ...others] = name.split('/')
  const source = grammar.sourceNames.has(first) ? first : ''
  return readComponents(name, source === '' ? [first, ...others] : others, source, {}, grammar)
}

/** Reads components that are already apart, as a stored spec lists them. */
export function readComponents(
  name: string,
  components: readonly string[],
  source: string,
  options: RequestedOptions,
  grammar: NameGrammar,
): ImageRequestOutcome {
  const firstPackage = components.findIndex((component) => !metaPackages.includes(component))
  const metas = firstPackage === -1 ? components : components.slice(0, firstPackage)
  const shell = metas.includes('shell')
  const asked = new Set(firstPackage === -1 ? [] : components.slice(firstPackage))
  const packages = new Set([...(shell ? shellPackages : []), ...asked])
  if (metas.includes('amd64') && metas.includes('arm64')) {
    return invalid(
      `${name} asks for amd64 and arm64 at once: an image has one platform, keep one of them`,
    )
  }
  if (packages.size === 0) {
    const named = metas.length === 0 ? 'a package source' : 'a platform'
    const example = [...(source === '' ? [] : [source]), ...components, 'shell'].join('/')
    return invalid(`${name} names ${named} but no package: add one, such as ${example}`)
  }
  if (asked.size > grammar.maxPackages) {
    return invalid(
      `${name} asks for ${asked.size} packages, at most ${grammar.maxPackages} are allowed`,
    )
  }
  const platforms = platformsFrom(metas, grammar.platforms)
  return {
    kind: 'request',
    request: {
      source,
      platforms,
      shell,
      packages: [...packages].sort(),
      askedPackages: [...asked].sort(),
      options,
    },
  }
}

function platformsFrom(metas: readonly string[], platforms: Platforms): Platforms {
  if (metas.includes('arm64')) return [platformOf('arm64')]
  if (metas.includes('amd64')) return [platformOf('amd64')]
  return platforms
}

function invalid(message: string): ImageRequestOutcome {
  return { kind: 'invalid', message }
}
