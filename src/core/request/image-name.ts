import { metaPackages, shellPackages, type ImageRequest } from './image-request.ts'

/**
 * What people call an image: its stored spec, or the shortest name that asks for its packages, such
 * as `ours/shell/git/htop`. Platforms are left out, so that an index is called like its images.
 */
export function formatImageName({ spec, source, shell, packages }: ImageRequest): string {
  if (spec !== undefined) return spec
  const named = shell ? packages.filter((name) => !shellPackages.includes(name)) : packages
  // A package that is called like a meta-package is none only behind another package.
  const { metas = [], others = [] } = Object.groupBy(named, (name) =>
    metaPackages.includes(name) ? 'metas' : 'others',
  )
  return [...(source ? [source] : []), ...(shell ? ['shell'] : []), ...others, ...metas].join('/')
}
