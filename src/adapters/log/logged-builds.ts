import type { Logger } from 'pino'
import type { BuildObserver, BuildSubject } from '#engine/ports/build-observer.ts'
import { isGivenUp } from '#engine/share-builds.ts'
import { describeError } from './described-error.ts'

/** Writes the steps of builds to the log: the milestones at `info`, the many small facts at `debug`. */
export function logBuilds(logger: Logger): BuildObserver {
  return {
    observe(build, event) {
      switch (event.kind) {
        case 'queued':
          logger.debug({ build, name: event.name }, 'build queued')
          break
        case 'started':
          logger.info({ build, ...subjectFacts(event) }, 'build started')
          break
        case 'evaluated':
          logger.info({ build, derivations: event.derivations }, 'packages evaluated')
          break
        case 'realising':
          logger.debug({ build, ...event.progress }, 'realising')
          break
        case 'planned':
          logger.info(
            {
              build,
              storePaths: sum(event.layers.map(({ storePaths }) => storePaths.length)),
              layers: event.layers.length,
              narSizeBytes: sum(event.layers.map(({ narSizeBytes }) => narSizeBytes)),
            },
            'layers planned',
          )
          break
        case 'layer-progress':
          // Several a second, and nobody looks for them afterwards.
          break
        case 'layer-packed':
          logger.debug(
            {
              build,
              digest: event.digest,
              sizeBytes: event.sizeBytes,
              archiveSizeBytes: event.archiveSizeBytes,
            },
            'layer packed',
          )
          break
        case 'layer-reused':
          logger.debug({ build, digest: event.digest, sizeBytes: event.sizeBytes }, 'layer reused')
          break
        case 'finished':
          logger.info(
            { build, manifest: event.manifest, sizeBytes: event.sizeBytes },
            'build finished',
          )
          break
        case 'failed':
          logger.warn({ build, failure: event.failure }, 'build failed')
          break
        case 'aborted':
          logger[isGivenUp(event.reason) ? 'info' : 'warn'](
            { build, reason: describeError(event.reason) },
            'build aborted',
          )
          break
      }
    },
  }
}

function subjectFacts({ name, request, source, revision }: BuildSubject) {
  const { packages, platform } = request
  return {
    name,
    packages,
    platform: platform.architecture,
    ...(source !== '' && { source }),
    revision,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0)
}
