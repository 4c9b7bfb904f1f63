import type { PackageFailure } from './package-outcome.ts'
import { stripTerminalCodes } from './structured-log.ts'

/** What fits beside the name of a package in one line of a terminal or a log. */
const messageLimit = 500

/** One line of at most 500 characters. */
export function formatOneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= messageLimit ? line : `${line.slice(0, messageLimit - 1)}…`
}

/**
 * The error of a failed evaluation as one line, without traces and positions. Nix up to 2.19 puts
 * the message first and the trace below; later ones begin with a bare `error:`, the trace, and put
 * the message last.
 */
export function parseEvaluationError(stderr: string): string {
  const lines = stripTerminalCodes(stderr).split('\n')
  const start = lines.findLastIndex((line) => /^ *error:/.test(line))
  if (start === -1) return formatOneLine(lines.findLast((line) => line.trim() !== '') ?? '')
  const [first = '', ...others] = lines.slice(start)
  const text = first.replace(/^ *error:/, '')
  const aborted = text.replace(abortPrefix, '')
  const message = firstParagraph([aborted, ...others])
  return formatOneLine(aborted === text ? message : message.replace(/'$/, ''))
}

/** What Nix puts around the text of `abort`, which may begin with empty lines of its own. */
const abortPrefix = /^ *evaluation aborted with the following error message: '/

/** The first lines that hold text, up to a blank line or the trace. */
function firstParagraph(lines: readonly string[]): string {
  const texts = lines.map((line) => line.trim())
  const start = texts.findIndex((text) => text !== '')
  if (start === -1) return ''
  const paragraph = texts.slice(start)
  const end = paragraph.findIndex((text, index) => index > 0 && (text === '' || isTraceLine(text)))
  return (end === -1 ? paragraph : paragraph.slice(0, end)).join(' ')
}

function isTraceLine(text: string): boolean {
  return /^(?:at |…|\.\.\.|\d+\| |\(stack trace|\(use '--show-trace')/.test(text)
}

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
