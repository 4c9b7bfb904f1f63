import type { Logger } from 'pino'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import { describeError } from './described-error.ts'

/** Writes the steps of builds to the log: the milestones at `info`, the many small facts at `debug`. */
export function logBuilds(logger: Logger): BuildObserver {
  return {
    observe(build, event) {
      switch (event.kind) {
        case 'started':
          logger.info(
            {
              build,
              packages: event.request.packages,
              platform: event.request.platform.architecture,
              ...(event.source !== '' && { source: event.source }),
              revision: event.revision,
            },
            'build started',
          )
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
              storePaths: event.storePaths,
              layers: event.layers,
              narSizeBytes: event.narSizeBytes,
            },
            'layers planned',
          )
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
          logger.warn({ build, reason: describeError(event.reason) }, 'build aborted')
          break
      }
    },
  }
}
