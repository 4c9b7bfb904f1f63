import { formatAttributePath } from '#core/nix/attribute-path.ts'
import type { PackageFailure } from '#core/nix/package-outcome.ts'
import { metaPackages, shellPackages } from '#core/request/image-request.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import type { BuildFailure } from './build-outcome.ts'

/** Who asked for an image learns what its builder printed; who only looks on does not. */
export type FailureReader = 'asker' | 'onlooker'

/** A failed build as people read it, by whatever way it reaches them: one line that says what to do. */
export function describeFailure(failure: BuildFailure, reader: FailureReader): string {
  const messages =
    failure.kind === 'packages'
      ? describePackageFailures(failure.failures)
      : [describeBuildFailure(failure, reader)]
  return formatOneLine(messages.join('; '), maxMessageLength)
}

/** What is wrong with a whole package set, or with `shell`, is said once. */
function describePackageFailures(failures: readonly PackageFailure[]): readonly string[] {
  const isOfShell = ({ kind, package: name }: PackageFailure) =>
    kind === 'not-found' && shellPackages.includes(name)
  const shell = failures.filter(isOfShell).map((failure) => failure.package)
  const others = failures.filter((failure) => !isOfShell(failure))
  const groups = Map.groupBy(others, (failure) =>
    failure.kind === 'evaluation-error' ? failure.message : failure,
  )
  const messages = groups.values().map((group) => {
    const names = group.map((failure) => failure.package)
    return describePackageFailure({ ...group[0]!, package: listNames(names, 'and') })
  })
  return [...new Set([...(shell.length === 0 ? [] : [describeNoShell(shell)]), ...messages])]
}

function describeNoShell(missing: readonly string[]): string {
  const names = listNames(missing, 'or')
  return missing.length === shellPackages.length
    ? `the package set has no ${names}, which is what shell stands for: ask for an image without shell`
    : `the package set has no ${names}, and shell stands for ${listNames(shellPackages, 'and')}`
}

/** Why one package cannot be had, as a sentence that names it. */
export function describePackageFailure(failure: PackageFailure): string {
  switch (failure.kind) {
    case 'not-found':
      return describeNotFound(failure.package, failure.nearNames)
    case 'ambiguous':
      return `${failure.package} may mean ${listNames(failure.candidates, 'or')}, which registry names cannot tell apart: ask for a package whose name is unique without regard to case`
    case 'not-a-derivation':
      return describeOtherValue(failure.package, failure.valueType)
    case 'unfree':
      return `${failure.package} has an unfree licence, which this registry does not serve: ${failure.message}`
    case 'broken':
      return `${failure.package} is marked as broken in the package set: ${failure.message}`
    case 'insecure':
      return `${failure.package} has known vulnerabilities, so this registry does not serve it: ${failure.message}`
    case 'unsupported-system':
      return `${failure.package} does not exist for this platform: ${failure.message}`
    case 'evaluation-error':
      return `${failure.package} cannot be evaluated: ${failure.message}`
    case 'nix-too-old':
      return failure.message
    case 'evaluation-timed-out':
      return `${failure.package} took too long to evaluate: ${failure.message}`
  }
}

function describeOtherValue(name: string, type: string): string {
  if (type === 'set') {
    return `${name} is not a package but a set: name a package inside it, such as ${name}.<name>`
  }
  const article = /^[aeiou]/.test(type) ? 'an' : 'a'
  const value = type === 'null' ? 'null' : `${article} ${type === 'lambda' ? 'function' : type}`
  return `${name} is not a package but ${value}`
}

function describeNotFound(name: string, nearNames: readonly string[]): string {
  if (metaPackages.includes(name)) {
    return `no package is called ${name}; the meta-package ${name} goes before all packages`
  }
  return nearNames.length === 0
    ? `no package is called ${name}`
    : `no package is called ${name}; did you mean ${listNames(nearNames, 'or')}?`
}

type FailureToBuild = Exclude<BuildFailure, { readonly kind: 'packages' }>

/** Why packages that were found give no image, as a sentence. */
export function describeBuildFailure(failure: FailureToBuild, reader: FailureReader): string {
  const quote = reader === 'asker' ? quoteBuilder(failure) : ''
  return `${describeEnd(failure)}${quote}`
}

function describeEnd(failure: FailureToBuild): string {
  switch (failure.kind) {
    case 'build-failed':
      return `${failure.name} failed to build: ${failure.message}`
    case 'build-timed-out':
      return `${failure.name} took too long to build: ${failure.message}`
    case 'source-unavailable':
      return `the source of ${failure.name} cannot be downloaded, it may have been replaced by a newer version`
    case 'not-substitutable':
      return `${listSome(failure.missing, failure.total)} ${failure.total === 1 ? 'is' : 'are'} in none of this registry's binary caches, and it does not build from source: ask for packages that are there`
    case 'unusable-source':
      return `revision ${failure.revision} of the package source cannot be used: ${failure.message}`
    case 'denied':
      return `${failure.package} is ${formatAttributePath(failure.attributePath)}, which is not among the packages that this registry serves`
    case 'closure-too-large':
      return `the packages and what they need take ${formatMebibytes(failure.sizeBytes)}, this registry serves at most ${formatMebibytes(failure.mostBytes)}: ask for fewer packages`
    case 'too-many-names':
      return `the packages hold more than ${failure.most} names that an image would have to link: ask for fewer packages`
    case 'deadline-passed':
      return `the build was not done after ${Math.round(failure.deadlineMs / 1000)} seconds: ask for fewer packages or try again later`
  }
}

/** What a builder printed, as the end of the sentence. */
function quoteBuilder(failure: FailureToBuild): string {
  switch (failure.kind) {
    case 'build-failed':
    case 'build-timed-out':
      return lastWords(failure.logTail)
    case 'source-unavailable':
      return `: ${failure.message}`
    default:
      return ''
  }
}

/** What a builder said before it ended tells more than how it ended. */
function lastWords(logTail: readonly string[]): string {
  const words = logTail.findLast((line) => line.trim() !== '')?.trim()
  return words === undefined ? '' : `, after saying: ${words}`
}

// Docker prints the message on one terminal line; what a package set writes may be pages.
const maxMessageLength = 1000

function listSome(names: readonly string[], total: number): string {
  const more = total - names.length
  return listNames(more > 0 ? [...names, `${more} more`] : names, 'and')
}

function formatMebibytes(sizeBytes: number): string {
  return `${Math.ceil(sizeBytes / 2 ** 20)} MiB`
}

function listNames(names: readonly string[], word: 'or' | 'and'): string {
  if (names.length < 2) return names.join('')
  return `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`
}
