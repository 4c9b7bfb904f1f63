import type { RegistryErrorCode } from '#core/oci/error-codes.ts'
import type { Platform } from '#core/nix/system.ts'
import type { PackageFailure } from '#core/nix/package-outcome.ts'
import type { BuildFailure } from '#engine/build-outcome.ts'
import { describeFailedImage } from '#engine/describe-failed-image.ts'
import { describeFault, operatingErrors, OperatingError } from '#engine/operating-error.ts'
import type { Refusal } from './response.ts'

type FailureKind = PackageFailure['kind'] | Exclude<BuildFailure['kind'], 'packages'>

/**
 * HTTP status and registry code of every failure that a request caused; `docs/errors.md` has the
 * same table, and a test compares the two. All are 4xx, because Docker shows the message of a 4xx
 * and hides that of a 5xx. None is 408 or 429: container runtimes repeat those at once.
 */
export const failureStatuses: Readonly<
  Record<FailureKind, { readonly status: number; readonly code: RegistryErrorCode }>
> = {
  'not-found': { status: 404, code: 'MANIFEST_UNKNOWN' },
  ambiguous: { status: 400, code: 'NAME_INVALID' },
  'not-a-derivation': { status: 404, code: 'MANIFEST_UNKNOWN' },
  unfree: { status: 403, code: 'DENIED' },
  insecure: { status: 403, code: 'DENIED' },
  broken: { status: 422, code: 'MANIFEST_INVALID' },
  'unsupported-system': { status: 404, code: 'MANIFEST_UNKNOWN' },
  'evaluation-error': { status: 422, code: 'MANIFEST_INVALID' },
  'nix-too-old': { status: 422, code: 'MANIFEST_INVALID' },
  'evaluation-timed-out': { status: 422, code: 'MANIFEST_INVALID' },
  'build-failed': { status: 422, code: 'MANIFEST_INVALID' },
  'build-timed-out': { status: 422, code: 'MANIFEST_INVALID' },
  'source-unavailable': { status: 422, code: 'MANIFEST_INVALID' },
  'not-substitutable': { status: 422, code: 'MANIFEST_INVALID' },
  'unusable-source': { status: 422, code: 'MANIFEST_INVALID' },
  denied: { status: 403, code: 'DENIED' },
  'closure-too-large': { status: 403, code: 'DENIED' },
  'too-many-names': { status: 422, code: 'MANIFEST_INVALID' },
  'deadline-passed': { status: 422, code: 'MANIFEST_INVALID' },
}

/** A failed build as the person who typed `docker pull` reads it. */
export function failureRefusal(
  failure: BuildFailure,
  buildId: string,
  platform?: Platform,
): Refusal {
  return {
    ...statusOf(failure),
    message: describeFailedImage({ failure, buildId, ...(platform && { platform }) }, 'asker'),
  }
}

/** The HTTP status of a failed build. */
export function failureStatus(failure: BuildFailure): number {
  return statusOf(failure).status
}

function statusOf(failure: BuildFailure): (typeof failureStatuses)[FailureKind] {
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
