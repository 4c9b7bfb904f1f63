import { formatPlatform } from '#core/nix/system.ts'
import type { BuildFailure } from './build-outcome.ts'
import { describeFailure, type FailureReader } from './describe-failure.ts'
import type { FailedImage } from './serve-platforms.ts'

/**
 * A failed build of an image: one line, what to do, the build id, and which of several platforms it is
 * about.
 */
export function describeFailedImage(
  { failure, buildId, platform }: Pick<FailedImage, 'failure' | 'buildId' | 'platform'>,
  reader: FailureReader,
): string {
  const where = platform === undefined ? '' : `${formatPlatform(platform)}, `
  return `${describeFailure(failure, reader)} (${where}build ${buildId})`
}

/**
 * What to add for a name that may have been meant for another image, or nothing.
 *
 * @param near names of such images; asked only where packages are not there
 */
export async function hintAtNearImages(
  failure: BuildFailure,
  near: () => Promise<readonly string[]>,
): Promise<string> {
  const names = lacksPackage(failure) ? await near() : []
  return names.length === 0 ? '' : `; did you mean the image ${names.join(' or ')}?`
}

function lacksPackage(failure: BuildFailure): boolean {
  return failure.kind === 'packages' && failure.failures.some(({ kind }) => kind === 'not-found')
}
