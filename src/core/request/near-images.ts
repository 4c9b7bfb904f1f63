import { nearNames } from '#core/nix/near-names.ts'
import { metaPackages } from './image-request.ts'

/** Comparing so many with a name that a stranger made up takes about 50 ms, in which nothing else runs. */
const mostCompared = 5_000

/**
 * Names of images that somebody may have meant whose packages are not there: with another source in
 * front, or of a stored spec; nearest first and few. What packages are called like is not known here.
 */
export function nearImages(
  name: string,
  sourceNames: ReadonlySet<string>,
  specNames: readonly string[],
): readonly string[] {
  // Whoever typed a spec meant it.
  if (specNames.includes(name)) return []
  const [first = '', ...packages] = name.split('/')
  const isKnown = sourceNames.has(first) || metaPackages.includes(first)
  const sources = isKnown || packages.length === 0 ? [] : nearNames(first, sourceNames)
  const specs = specNames.length > mostCompared ? [] : nearNames(name, specNames)
  return [...sources.map((source) => [source, ...packages].join('/')), ...specs]
}
