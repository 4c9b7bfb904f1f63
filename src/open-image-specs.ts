import { stat } from 'node:fs/promises'
import {
  noImageSpecs,
  openImageDirectory,
  type ImageDirectory,
} from '#adapters/image-specs/image-directory.ts'
import { isRepositoryName } from '#core/oci/route.ts'
import { metaPackages, type NameGrammar } from '#core/request/image-request.ts'
import { findRefused, type PackagePolicy } from '#core/request/package-policy.ts'
import type { ImageSpec } from '#engine/ports/image-specs.ts'
import { readSpec } from '#engine/resolve-image.ts'
import { ConfigError, type Config } from './config.ts'
import type { OpenedSources } from './open-sources.ts'

/** A spec that no pull could ever reach, or that none can be made of, is found now. */
export async function openImageSpecs(
  { imagesDirectory, policy }: Config,
  grammar: NameGrammar,
  sources: OpenedSources,
): Promise<ImageDirectory> {
  if (imagesDirectory === undefined) return noImageSpecs
  const setting = `NIXERY_IMAGES_DIR=${imagesDirectory}`
  const found = await stat(imagesDirectory).catch(() => undefined)
  if (found?.isDirectory() !== true)
    throw new ConfigError(`${setting} cannot be read: it must be a directory`)
  const specs = openImageDirectory(imagesDirectory)
  for (const [name, spec] of await specs.list()) {
    const problem =
      findSpecProblem(name, spec, grammar, policy) ?? findTagProblem(name, spec, sources)
    if (problem !== undefined) throw new ConfigError(`${setting}: ${problem}`)
  }
  return specs
}

function findTagProblem(
  name: string,
  { source, tag }: ImageSpec,
  sources: OpenedSources,
): string | undefined {
  const refused = tag === undefined ? undefined : sources.refuseTag(source, tag)
  return refused && `the spec ${name} wants ${refused}: give it another tag, or none`
}

function findSpecProblem(
  name: string,
  spec: ImageSpec,
  grammar: NameGrammar,
  policy: PackagePolicy,
): string | undefined {
  const [first = ''] = name.split('/')
  if (!isRepositoryName(name))
    return `the spec ${name} has a name that no registry client can ask for`
  if (grammar.sourceNames.has(first))
    return `the spec ${name} is called like the package source ${first}: give it another name`
  if (metaPackages.includes(first))
    return `the spec ${name} is called like the meta-package ${first}: give it another name`
  const read = readSpec(name, spec, grammar)
  if (read.kind === 'invalid') return read.message
  const refused = findRefused(policy, read.request)
  return refused && `the spec ${name} has ${refused}, which NIXERY_ALLOW and NIXERY_DENY leave out`
}
