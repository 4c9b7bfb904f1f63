import { formatOneLine, usualLineLength } from '../text/one-line.ts'
import type { PackageFailure } from './package-outcome.ts'
import { parseErrorRecord, parseLogEvent, type ErrorRecord } from './structured-log.ts'

/** The message, and where it comes from as far as there is room for both. */
export function formatEvaluationError(message: string, where: string | undefined): string {
  const suffix = where === undefined ? '' : ` (${where})`
  // A file's name may be longer than a line.
  if (suffix.length > usualLineLength / 2) return formatOneLine(message)
  return `${formatOneLine(message, usualLineLength - suffix.length)}${suffix}`
}

/** An error that ended an evaluation. */
export interface EvaluationError extends Omit<ErrorRecord, 'text'> {
  /** One line: the first paragraph of what was said. */
  readonly message: string
  /** A text of the package set's own choosing, by `abort`. */
  readonly isAborted: boolean
}

/**
 * Reads one line of the structured log of an evaluation; `undefined` when it tells of no error. What
 * is not of the log is printed in a hurry, as when the stack is used up.
 */
export function parseEvaluationError(line: string): EvaluationError | undefined {
  const record = parseErrorRecord(line)
  if (record !== undefined) {
    const { text, ...places } = record
    const aborted = abortMessage.exec(text)?.[1]
    return {
      ...places,
      message: formatOneLine(firstParagraph(aborted ?? text)),
      isAborted: aborted !== undefined,
    }
  }
  const event = parseLogEvent(line)
  if (event?.kind !== 'message' || event.level !== 0) return undefined
  const [, text] = /^error: *([^]*)/.exec(event.text) ?? []
  if (text === undefined) return undefined
  return { message: formatOneLine(firstParagraph(text)), isAborted: false, trace: [] }
}

/** What Nix puts around the text of `abort`, which may begin with empty lines of its own. */
const abortMessage = /^evaluation aborted with the following error message: '([^]*)'\s*$/

/** The first lines that hold text, up to a blank line. */
function firstParagraph(text: string): string {
  return text.trim().split(/\n\s*\n/, 1)[0] ?? ''
}

/** What to do, where Nix's own advice is for somebody else than who asked for an image. */
export function explainEvaluationError(message: string): string {
  const sought = /^file '(.+)' was not found in the Nix search path/.exec(message)?.[1]
  if (sought !== undefined) {
    return `the package set asks for <${sought}>, which this registry does not have: a set has to bring everything it imports`
  }
  if (/^access to URI '.*' is forbidden in restricted mode/.test(message)) {
    return `${message}: the registry's operator lists what sets may download in NIXERY_ALLOWED_URIS`
  }
  return message
}

/** Why a package does not exist for a platform, without the words that every refusal begins with. */
export function explainUnsupported(message: string): string {
  const [, words = ''] = unsupportedMessage.exec(message) ?? [undefined, message]
  const platforms = /meta\.platforms = \[([^\]]*)\]/.exec(words)?.[1] ?? ''
  const named = [...platforms.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name)
  if (named.length > 0) return `it is for ${named.slice(0, 3).join(', ')}`
  const isBare = words === '' || words.startsWith('hostPlatform.')
  return isBare ? 'its package set does not support it there' : words
}

/** The texts of nixpkgs, old and new, and what follows them. */
const unsupportedMessage =
  /^(?:Package|Refusing to evaluate package) (?:‘[^’]*’|'[^']*')(?: in \S+)?(?: because it)? is (?:not available on the requested hostPlatform|not supported on [^,:]*|not available on this platform):?\s*(.*?),?\s*(?:refusing to evaluate\.?)?$/

type Refusal = Exclude<PackageFailure['kind'], 'not-found' | 'ambiguous' | 'not-a-derivation'>

/**
 * What nixpkgs' default.nix asks of Nix before anything else: a version up to 24.11, features of an
 * implementation since. `Nix 2.18 or newer`; `undefined` when the message is no such demand.
 */
export function parseNixDemand(message: string): string | undefined {
  const asked = /This version of Nixpkgs requires (.*)/.exec(message)?.[1]
  if (asked === undefined) return undefined
  const version = /(?:^Nix >=|reports at least) *(\d+(?:\.\d+)*)/.exec(asked)?.[1]
  return version === undefined
    ? asked.replace(/,? please upgrade.*/, '')
    : `Nix ${version} or newer`
}

// The texts of nixpkgs' pkgs/stdenv/generic/check-meta.nix, old and new.
const refusals: readonly (readonly [RegExp, Refusal])[] = [
  [/has an unfree license|has a blocklisted license/, 'unfree'],
  [/is marked as broken/, 'broken'],
  [/is marked as insecure|has known vulnerabilities|Known vulnerabilities/i, 'insecure'],
  [
    /is not available on the requested hostPlatform|is not supported on|not available on this platform/,
    'unsupported-system',
  ],
]

/** What kind of refusal an error message of a package set is; `evaluation-error` when none known. */
export function classifyEvaluationError(message: string): Refusal {
  return refusals.find(([pattern]) => pattern.test(message))?.[1] ?? 'evaluation-error'
}
