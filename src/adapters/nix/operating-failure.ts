import type { ProcessEnd } from '#adapters/process/run-process.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import { redactAddresses } from '#core/nix/nix-setting.ts'
import { stripTerminalCodes } from '#core/nix/structured-log.ts'
import type { CacheFailure } from '#core/nix/substitution-report.ts'
import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'

// What Nix itself says when the machine is at fault, not the package (libstore, libutil). Names that
// a package set chose may stand in the middle of a message, so the beginning or the end decides.
const failures: readonly (readonly [RegExp, OperatingCode])[] = [
  [/: (?:No space left on device|Disk quota exceeded)$/, 'NO_SPACE'],
  [/^error: executing SQLite statement .*disk I\/O error/, 'NIX_FAILED'],
  [/^error: executing SQLite statement.*: database or disk is full/, 'NO_SPACE'],
  [/^note: build failure may have been caused by lack of free disk space/, 'NO_SPACE'],
  [/^error: .*'\/nix\/\S*'.*: (?:Permission denied|Read-only file system)$/, 'NO_PERMISSION'],
  [/^error: (?:could not set|changing) .* '\/nix\/\S*'/, 'NO_PERMISSION'],
  [/^error: cannot connect to (?:socket|daemon)/, 'NIX_FAILED'],
  [
    /^error: the (?:group '[^']*' specified in 'build-users-group'|build users group)/,
    'NIX_FAILED',
  ],
]

/**
 * The failure that the operator must mend, when Nix's own lines tell of one. Lines that quote a
 * builder's log start with `>` and do not count.
 */
export function findOperatingFailure(stderr: string): OperatingError | undefined {
  for (const line of stripTerminalCodes(stderr).split('\n')) {
    const text = line.trim()
    if (text.startsWith('>') || text.startsWith('warning:')) continue
    const found = failures.find(([pattern]) => pattern.test(text))
    if (found) return new OperatingError(found[1], formatOneLine(text.replace(/^error: */, '')))
  }
  return undefined
}

/**
 * A full disk that a builder met first. A builder may print that without reason, but then only its
 * own image gets the wrong status.
 */
export function findFullDisk(name: string, logTail: readonly string[]): OperatingError | undefined {
  const line = logTail.findLast((it) => /No space left on device|Disk quota exceeded/.test(it))
  return line === undefined
    ? undefined
    : new OperatingError('NO_SPACE', formatOneLine(`the builder of ${name} said: ${line}`))
}

/** A command that no request can make fail, and that failed. */
export function commandFailure(command: string, end: ProcessEnd): OperatingError {
  return (
    findOperatingFailure(end.stderrTail) ??
    new OperatingError('NIX_FAILED', `${command} ended with ${end.status}`, {
      cause: new Error(end.stderrTail.slice(-2000)),
    })
  )
}

/** What a binary cache did wrong, without what its address may hold of secrets. */
export function cacheError({ kind, message }: CacheFailure): OperatingError {
  const code = kind === 'untrusted' ? 'CACHE_UNTRUSTED' : 'CACHE_UNAVAILABLE'
  return new OperatingError(code, formatOneLine(redactAddresses(message)))
}
