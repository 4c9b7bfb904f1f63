import type { Platforms } from '#core/nix/system.ts'
import { metaPackages, shellPackages, type ImageRequest } from './image-request.ts'

/**
 * What people call an image: its stored spec, or the shortest name that asks for its packages, such
 * as `ours/shell/git/htop`. Platforms are left out, so that an index is called like its images.
 */
export function formatImageName(request: ImageRequest): string {
  return formatName(request, [])
}

/**
 * The shortest name that pulls an image for the platforms of a request, such as `arm64/shell/git`.
 *
 * @param usual the platforms of names that force none
 */
export function formatPullName(request: ImageRequest, usual: Platforms): string {
  const wanted = request.platforms.map(({ architecture }) => architecture)
  const isUsual =
    wanted.length > 1 || usual.every(({ architecture }) => wanted.includes(architecture))
  return formatName(request, isUsual ? [] : wanted)
}

function formatName(
  { spec, source, shell, packages }: ImageRequest,
  platform: readonly string[],
): string {
  if (spec !== undefined) return spec
  const named = shell ? packages.filter((name) => !shellPackages.includes(name)) : packages
  // A package that is called like a meta-package is none only behind another package.
  const { metas = [], others = [] } = Object.groupBy(named, (name) =>
    metaPackages.includes(name) ? 'metas' : 'others',
  )
  const [sources, shells] = [source ? [source] : [], shell ? ['shell'] : []]
  return [...sources, ...platform, ...shells, ...others, ...metas].join('/')
}
