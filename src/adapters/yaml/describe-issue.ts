import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/**
 * What is wrong with a file, in one line that begins with the place. Schemas say in a message what a
 * value must be (`a package name`); everything else gets its words here, because those of the library
 * are for programmers. Parse with `reportInput`, which tells what is missing from what is wrong.
 */
export function describeIssue({ issues }: z.core.$ZodError): string {
  // A misspelt key explains the one that is missing.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  if (issue === undefined) return 'is not what is expected here'
  const where = issue.path.join('.')
  const problem = describeProblem(issue)
  return where === '' ? problem : `${where}: ${problem}`
}

function describeProblem(issue: Issue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return describeUnknown(issue.keys)
    case 'invalid_union':
      return describeUnion(issue)
    case 'invalid_key':
      return `its name must be ${issue.issues[0]?.message ?? 'another'}`
    default:
      return hasOwnWords(issue.message) ? `must be ${issue.message}` : describeBound(issue)
  }
}

/** What a schema left to the library's words. */
function describeBound(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected, issue.input, issue.path.length === 0)
    case 'too_small':
      return `must be at least ${amountOf(issue.origin, issue.minimum)}`
    case 'too_big':
      return `must be at most ${amountOf(issue.origin, issue.maximum)}`
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`
    case 'invalid_format':
      return 'prefix' in issue
        ? `must begin with ${String(issue.prefix)}`
        : 'has a form that is not allowed'
    default:
      return 'is not what is expected here'
  }
}

function describeType(expected: string, input: unknown, isWhole: boolean): string {
  if (isWhole && input === null) return 'is empty'
  return input === undefined ? 'is missing' : `must be ${typeNames.get(expected) ?? expected}`
}

/** The library's types as people who write files call them. */
const typeNames: ReadonlyMap<string, string> = new Map([
  ['array', 'a list'],
  ['boolean', 'true or false'],
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['object', 'names with values'],
  ['record', 'names with values'],
  ['string', 'text in quotes'],
])

function amountOf(origin: string, bound: number | bigint): string {
  if (origin === 'string') return `${bound} characters long`
  if (origin === 'number' || origin === 'int') return `${bound}`
  return bound === 1 ? '1 entry long' : `${bound} entries long`
}

function describeUnknown(keys: readonly string[]): string {
  return `${keys.join(', ')} ${keys.length === 1 ? 'is' : 'are'} not known here`
}

/** A key that no alternative knows is the mistake; the message of the union lists what there is. */
function describeUnion(issue: Extract<Issue, { readonly code: 'invalid_union' }>): string {
  const unknown = issue.errors.map(
    (alternative) => new Set(alternative.flatMap((each) => ('keys' in each ? each.keys : []))),
  )
  const [first = new Set<string>(), ...others] = unknown
  const keys = [...first].filter((key) => others.every((each) => each.has(key)))
  const must = `must be ${hasOwnWords(issue.message) ? issue.message : describeAlternatives(issue)}`
  return keys.length === 0 ? must : `${describeUnknown(keys)}: ${must}`
}

function hasOwnWords(message: string): boolean {
  return !/^(?:Invalid|Too (?:small|big))/.test(message)
}

function describeAlternatives({
  errors,
}: Extract<Issue, { readonly code: 'invalid_union' }>): string {
  const types = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' ? [typeNames.get(first.expected) ?? first.expected] : [],
  )
  return types.length === 0 ? 'something else' : types.join(' or ')
}
