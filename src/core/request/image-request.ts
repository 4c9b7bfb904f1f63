import { platformOf, type Platform } from '#core/nix/system.ts'

/** A repository name read as the specification of an image. */
export interface ImageRequest {
  readonly platform: Platform
  /** Whether `shell` was asked for: the image starts bash. */
  readonly shell: boolean
  /** What to look up, lower case, sorted, each once; never empty. */
  readonly packages: readonly string[]
}

export type ImageRequestOutcome =
  | { readonly kind: 'request'; readonly request: ImageRequest }
  | { readonly kind: 'invalid'; readonly message: string }

/** What the meta-package `shell` stands for, spelled as registry names are. */
export const shellPackages: readonly string[] = [
  'bashinteractive',
  'coreutils',
  'moreutils',
  'nano',
]

/** Names with a meaning of their own when they come first. */
export const metaPackages: readonly string[] = ['shell', 'amd64', 'arm64']

// One evaluation looks all of them up; a name of 255 bytes cannot hold more.
const maxPackages = 128

/**
 * Reads a repository name. Meta-packages lead; the first component that is none ends them, so that
 * a package may be called like one. `name` must be a legal repository name.
 */
export function parseImageRequest(name: string, defaultPlatform: Platform): ImageRequestOutcome {
  const components = name.split('/')
  const firstPackage = components.findIndex((component) => !metaPackages.includes(component))
  const metas = firstPackage === -1 ? components : components.slice(0, firstPackage)
  const shell = metas.includes('shell')
  const packages = new Set([
    ...(shell ? shellPackages : []),
    ...(firstPackage === -1 ? [] : components.slice(firstPackage)),
  ])
  if (metas.includes('amd64') && metas.includes('arm64')) {
    return invalid(
      `${name} asks for amd64 and arm64 at once: an image has one platform, keep one of them`,
    )
  }
  if (packages.size === 0) {
    return invalid(`${name} names a platform but no package: add one, such as ${name}/shell`)
  }
  if (packages.size > maxPackages) {
    return invalid(`${name} asks for ${packages.size} packages, at most ${maxPackages} are allowed`)
  }
  return {
    kind: 'request',
    request: {
      platform: platformFrom(metas, defaultPlatform),
      shell,
      packages: [...packages].sort(),
    },
  }
}

function platformFrom(metas: readonly string[], defaultPlatform: Platform): Platform {
  if (metas.includes('arm64')) return platformOf('arm64')
  if (metas.includes('amd64')) return platformOf('amd64')
  return defaultPlatform
}

function invalid(message: string): ImageRequestOutcome {
  return { kind: 'invalid', message }
}
