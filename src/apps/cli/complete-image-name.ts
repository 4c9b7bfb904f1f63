import { metaPackages } from '#core/request/image-request.ts'
import type { SearchTools } from './run-search.ts'

type NameTools = Pick<SearchTools, 'sourceNames' | 'namesBeginning'>

/**
 * What an image name may go on with, as whole names: `shell/gi` gives `shell/git`. What something has to
 * follow ends with a slash.
 */
export async function completeImageName(
  typed: string,
  { sourceNames, namesBeginning }: NameTools,
): Promise<readonly string[]> {
  const before = typed.slice(0, typed.lastIndexOf('/') + 1)
  const prefix = typed.slice(before.length)
  const sources = sourceNames().filter((name) => name !== '')
  const given = before.split('/').slice(0, -1)
  const hasSource = given[0] !== undefined && sources.includes(given[0])
  const [source = '', others] = hasSource ? [given[0], given.slice(1)] : ['', given]
  const leaders = [
    ...(given.length === 0 ? sources : []),
    ...(others.every(isMetaPackage) ? metaPackagesBeside(others) : []),
  ]
  const words = [
    ...leaders.filter((leader) => leader.startsWith(prefix)).map((leader) => `${leader}/`),
    // Whoever has typed nothing yet wants no list of 60,000.
    ...(prefix === '' ? [] : await namesBeginning(source, prefix)),
  ]
  return words
    .filter((word) => !others.includes(word.replace(/\/$/, '')))
    .map((word) => `${before}${word}`)
}

/** An image has one platform. */
function metaPackagesBeside(given: readonly string[]): readonly string[] {
  const hasPlatform = given.some((name) => name !== 'shell')
  return hasPlatform ? ['shell'] : metaPackages
}

function isMetaPackage(name: string): boolean {
  return metaPackages.includes(name)
}
