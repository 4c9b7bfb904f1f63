import type { RegistryErrorCode } from '#core/oci/error-codes.ts'
import type { Platform } from '#core/nix/system.ts'
import type { PackageFailure } from '#core/nix/package-outcome.ts'
import type { BuildFailure } from '#engine/build-outcome.ts'
import { describeFailedImage } from '#engine/describe-failed-image.ts'
import { describeFault, operatingErrors, OperatingError } from '#engine/operating-error.ts'
import type { Refusal } from './response.ts'

type FailureKind = PackageFailure['kind'] | Exclude<BuildFailure['kind'], 'packages'>

interface FailureStatus {
  readonly status: number
  readonly code: RegistryErrorCode
  /** Markdown, for `docs/errors.md`, which is made of this table. */
  readonly when: string
}

/**
 * HTTP status and registry code of every failure that a request caused. All are 4xx, because Docker
 * shows the message of a 4xx and hides that of a 5xx. None is 408 or 429: container runtimes repeat
 * those at once.
 */
export const failureStatuses: Readonly<Record<FailureKind, FailureStatus>> = {
  'not-found': {
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    when: 'no package has that name; the nearest names are listed',
  },
  ambiguous: {
    status: 400,
    code: 'NAME_INVALID',
    when: 'several attributes differ only in what registry names cannot spell',
  },
  'not-a-derivation': {
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    when: 'the name is a set of packages, a function, a text or the like',
  },
  unfree: { status: 403, code: 'DENIED', when: 'the package set refuses its licence' },
  insecure: {
    status: 403,
    code: 'DENIED',
    when: 'the package set refuses it for known vulnerabilities',
  },
  broken: { status: 422, code: 'MANIFEST_INVALID', when: 'the package set marks it as broken' },
  'unsupported-system': {
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    when: 'it does not exist for the platform',
  },
  'evaluation-error': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'Nix cannot evaluate it; the message is Nix’s',
  },
  'nix-too-old': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'the package set demands a newer Nix than this registry has',
  },
  'evaluation-timed-out': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'evaluation took too long',
  },
  'build-failed': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'a builder ended with an error; the message has its last words',
  },
  'build-timed-out': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'a builder took longer than `NIX_TIMEOUT`',
  },
  'source-unavailable': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'a source cannot be downloaded, for example because the mirror has a newer version only',
  },
  'not-substitutable': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'no binary cache has it, and this registry does not build from source (`NIXERY_SUBSTITUTE_ONLY`)',
  },
  'unusable-source': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'the pinned revision has no package set where one is expected, or locks an input that cannot be fetched',
  },
  denied: {
    status: 403,
    code: 'DENIED',
    when: 'a pattern of `NIXERY_DENY` matches what the name stands for',
  },
  'closure-too-large': {
    status: 403,
    code: 'DENIED',
    when: 'the closure is larger than `NIXERY_MAX_CLOSURE_MIB`',
  },
  'too-many-names': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'the packages hold more names than the root of an image is made of',
  },
  'deadline-passed': {
    status: 422,
    code: 'MANIFEST_INVALID',
    when: 'the whole build took longer than `NIXERY_BUILD_DEADLINE`',
  },
}

/** A failed build as the person who typed `docker pull` reads it. */
export function failureRefusal(
  failure: BuildFailure,
  buildId: string,
  platform?: Platform,
): Refusal {
  const { status, code } = statusOf(failure)
  return {
    status,
    code,
    message: describeFailedImage({ failure, buildId, ...(platform && { platform }) }, 'asker'),
  }
}

/** The HTTP status of a failed build. */
export function failureStatus(failure: BuildFailure): number {
  return statusOf(failure).status
}

function statusOf(failure: BuildFailure): FailureStatus {
  const first = failure.kind === 'packages' ? failure.failures[0] : failure
  return failureStatuses[first?.kind ?? 'evaluation-error']
}

/**
 * What the operator must mend. The client learns the kind of failure only: messages name paths and
 * commands of this machine, and stay in the log.
 */
export function operatingRefusal(error: unknown): Refusal {
  if (!(error instanceof OperatingError)) {
    return { status: 500, code: 'UNKNOWN', message: describeFault(error) }
  }
  const { status, retryable } = operatingErrors[error.code]
  return {
    status,
    code: error.code === 'OVERLOADED' ? 'TOOMANYREQUESTS' : 'UNKNOWN',
    message: describeFault(error),
    ...(retryable ? { headers: { 'Retry-After': retryAfterSeconds } } : {}),
  }
}

// Long enough that a waiting fleet does not hammer, short enough that a finished build is picked up soon.
const retryAfterSeconds = 15
